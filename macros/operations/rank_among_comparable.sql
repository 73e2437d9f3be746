{#
  A store's place by `measure`, 1 is the highest, equal ones by id; only among the comparable stores: one seen in three weeks,
  or a filling station, is not worse than another. Null for the others.
#}
{% macro rank_among_comparable(measure) -%}
    case
        when is_comparable
            then cast(row_number() over (partition by is_comparable order by {{ measure }} desc, store_id asc) as integer)
    end
{%- endmacro %}

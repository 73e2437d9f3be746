{#
  The different names in a column, numbered in the order of the alphabet: the body of a CTE. Numbers are compared, grouped
  and sorted many times faster than names, so a model that joins millions of rows works with them and names what is left.
  They are valid within one query: a new name changes those after it.
    relation: a relation, or a CTE of the model that calls it; column: its column of names; number: what to call the number
    without: a name that gets none
#}
{% macro numbered_names(relation, column, number, without=none) -%}
    select
        {{ column }},
        cast(row_number() over (order by {{ column }}) as integer) as {{ number }}
    from {{ relation }}
    {% if without -%}
        where {{ column }} <> '{{ without }}'
    {% endif -%}
    -- grouped: a name is on many rows
    group by {{ column }}
{%- endmacro %}

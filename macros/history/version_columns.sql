{#
  Number, days and currency of the versions of a type-2 history, as four columns. Versions follow each other without a gap
  from 1900-01-01 to 9999-12-31: the source records when a row was last written, not since when it is valid, so the oldest version
  known is assumed valid before as well.
  key: column of what has the history. One row per version, ordered by state_date.
#}
{% macro version_columns(key) -%}
    {%- set over = 'over (partition by ' ~ key ~ ' order by state_date)' -%}
    cast(row_number() {{ over }} as integer) as version_number,
    case when row_number() {{ over }} = 1 then cast('1900-01-01' as date) else state_date end as valid_from_date,
    coalesce(
        cast({{ dbt.dateadd('day', -1, 'lead(state_date) ' ~ over) }} as date), cast('9999-12-31' as date)
    ) as valid_to_date,
    lead(state_date) {{ over }} is null as is_current
{%- endmacro %}

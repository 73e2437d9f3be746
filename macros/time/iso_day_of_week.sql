{# Monday = 1 … Sunday = 7, counted from a known Monday, so that every engine gives the same, also before it. #}
{% macro iso_day_of_week(date) -%}
    cast(({{ dbt.datediff("cast('2000-01-03' as date)", date, 'day') }} % 7 + 7) % 7 + 1 as integer)
{%- endmacro %}

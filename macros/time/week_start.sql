{# The Monday on or before a date: the first day of its week in every calendar. #}
{% macro week_start(date) -%}
    cast({{ dbt.dateadd('day', '1 - ' ~ iso_day_of_week(date), date) }} as date)
{%- endmacro %}

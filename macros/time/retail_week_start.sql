{# The Monday of a retailer's week, by its running number. #}
{% macro retail_week_start(week_number) -%}
    cast({{ dbt.dateadd(
        'day', '7 * (' ~ week_number ~ ' - 1)', "cast('" ~ var('first_week_start') ~ "' as date)"
    ) }} as date)
{%- endmacro %}

{# The Monday of a retailer's week of 2017; week 1, which is 1 January alone, has the Monday before it. #}
{% macro retail_week_start(week_number) -%}
    cast({{ dbt.dateadd('day', '7 * (' ~ week_number ~ ' - 1)', "cast('2016-12-26' as date)") }} as date)
{%- endmacro %}

{#
  The retailer's week of a store-local date: whole weeks, Monday to Sunday, counted continuously from the Monday of variable
  first_week_start, which is in week 1. A year's end cuts none. Null before week 1: set the variable to an earlier Monday.
#}
{% macro retail_week_number(date) -%}
    {% set first_week_start = "cast('" ~ var('first_week_start') ~ "' as date)" -%}
    case
        when {{ date }} >= {{ first_week_start }}
            then cast(floor({{ dbt.datediff(first_week_start, date, 'day') }} / 7) + 1 as integer)
    end
{%- endmacro %}

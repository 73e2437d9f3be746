{#
  The retailer's week of a store-local date: week 1 of 2017 is 1 January alone (a Sunday), then weeks start on Mondays.
  Counting whole weeks from Monday 2016-12-26 says the same without a special case. No calendar is known for other
  years: there the week is null, and not a guess.
#}
{% macro retail_week_number(date) -%}
    case
        when {{ date }} between cast('2017-01-01' as date) and cast('2017-12-31' as date)
            then cast(floor({{ dbt.datediff("cast('2016-12-26' as date)", date, 'day') }} / 7) + 1 as integer)
    end
{%- endmacro %}

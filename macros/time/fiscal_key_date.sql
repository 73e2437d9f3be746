{#
  The date whose calendar year is the fiscal year of a week, and whose position in that year gives the week's number. Weeks
  run from Monday to Sunday; the rules differ in the distance of the deciding day from the Monday, so that no rule has a
  special case for week 53.
    retail: the Sunday, so week 1 contains 1 January
    iso: the Thursday, so week 1 contains 4 January (ISO 8601)
    4-4-5: 29 days before the Monday, so week 1 begins on a Monday from 30 January to 5 February: the year ends with the week of the
    Saturday nearest to 31 January, and has the number of the calendar year in which it begins. The same years have a week 53 as
    in the calendar of the NRF, whose weeks begin a day earlier.
  week_start: a Monday
#}
{% macro fiscal_key_date(week_start) -%}
    {% set days_after_monday = {'retail': 6, 'iso': 3, '4-4-5': -29} -%}
    {% set calendar = var('fiscal_calendar') -%}
    {% if calendar not in days_after_monday and exceptions is defined -%}
        {{ exceptions.raise_compiler_error(
            "variable fiscal_calendar is '" ~ calendar ~ "': choose one of " ~ days_after_monday | join(', ')
        ) }}
    {%- endif -%}
    cast({{ dbt.dateadd('day', days_after_monday.get(calendar, 0), week_start) }} as date)
{%- endmacro %}

{# Every day from `first` to `last`, both included, as a subquery with the one column calendar_date. #}
{% macro calendar_days(first, last) -%}
    {{ return(adapter.dispatch('calendar_days', 'larder')(first, last)) }}
{%- endmacro %}


{% macro duckdb__calendar_days(first, last) -%}
    (
        select cast(days.day as date) as calendar_date
        from generate_series(date '{{ first }}', date '{{ last }}', interval 1 day) as days (day)
    )
{%- endmacro %}

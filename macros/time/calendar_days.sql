{#
  Every day from `first` to `last`, both included, as a subquery with the one column calendar_date.
    first, last: SQL for dates, over the one row of `span`; no day where they are null
    span: a relation or CTE
#}
{% macro calendar_days(first, last, span) -%}
    {{ return(adapter.dispatch('calendar_days', 'larder')(first, last, span)) }}
{%- endmacro %}


{% macro duckdb__calendar_days(first, last, span) -%}
    (
        select cast(unnest(generate_series({{ first }}, {{ last }}, interval 1 day)) as date) as calendar_date
        from {{ span }}
    )
{%- endmacro %}


{# `sequence` counts backwards where DuckDB has no day. #}
{% macro spark__calendar_days(first, last, span) -%}
    (
        select explode(sequence(first_date, last_date, interval 1 day)) as calendar_date
        from (select cast({{ first }} as date) as first_date, cast({{ last }} as date) as last_date from {{ span }}) as bounds
        where first_date <= last_date
    )
{%- endmacro %}

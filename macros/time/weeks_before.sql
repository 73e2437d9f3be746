{#
  How many weeks of a set (see week_bit) are among the `count` weeks before a week, itself left out. The week is at least
  `count`.
#}
{% macro weeks_before(weeks, week_number, count) -%}
    {{ return(adapter.dispatch('weeks_before', 'larder')(weeks, week_number, count)) }}
{%- endmacro %}


{% macro duckdb__weeks_before(weeks, week_number, count) -%}
    cast(
        bit_count(({{ weeks }}) & (cast({{ 2 ** count - 1 }} as bigint) << ({{ week_number }} - {{ count }}))) as integer
    )
{%- endmacro %}

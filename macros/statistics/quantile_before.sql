{#
  A quantile over the rows before each row, the row itself left out; nulls do not count. Null where there are none.
    expression: a number
    share: which quantile, 0.5 for the median
    over: `partition by … order by …` of the window, a total order
    rows: how many rows before at most
#}
{% macro quantile_before(expression, share, over, rows) -%}
    {{ return(adapter.dispatch('quantile_before', 'larder')(expression, share, over, rows)) }}
{%- endmacro %}


{% macro duckdb__quantile_before(expression, share, over, rows) -%}
    quantile_cont({{ expression }}, {{ share }}) over ({{ over }} rows between {{ rows }} preceding and 1 preceding)
{%- endmacro %}

{#
  A quantile over the rows before each row, the row itself left out; nulls do not count. Null where there are none.
    expression: a number
    share: which quantile, 0.5 for the median
    over: `partition by … order by …` of the window, a total order
    rows: how many rows before at most
    until: how many rows before the last of them is; 0 takes the row itself in
#}
{% macro quantile_before(expression, share, over, rows, until=1) -%}
    {{ return(adapter.dispatch('quantile_before', 'larder')(expression, share, over, rows, until)) }}
{%- endmacro %}


{% macro duckdb__quantile_before(expression, share, over, rows, until) -%}
    quantile_cont({{ expression }}, {{ share }})
        over ({{ over }} rows between {{ until + rows - 1 }} preceding and {{ until }} preceding)
{%- endmacro %}


{% macro spark__quantile_before(expression, share, over, rows, until) -%}
    percentile({{ expression }}, {{ share }})
        over ({{ over }} rows between {{ until + rows - 1 }} preceding and {{ until }} preceding)
{%- endmacro %}

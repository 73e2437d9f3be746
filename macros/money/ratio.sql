{#
  One non-negative amount (whole, or money with 2 decimals) divided by another, to 6 decimals, half up; null where the
  second is 0. DuckDB divides decimals as floats; whole numbers keep it exact.
#}
{% macro ratio(numerator, denominator) -%}
    {{ return(adapter.dispatch('ratio', 'larder')(numerator, denominator)) }}
{%- endmacro %}


{% macro duckdb__ratio(numerator, denominator) -%}
    cast(
        (
            (2000000 * cast(100 * ({{ numerator }}) as bigint) + cast(100 * ({{ denominator }}) as bigint))
            // nullif(2 * cast(100 * ({{ denominator }}) as bigint), 0)
        ) * cast(0.000001 as decimal(7, 6)) as decimal(18, 6)
    )
{%- endmacro %}

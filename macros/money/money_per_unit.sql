{#
  Money (2 decimals, not negative) divided by a whole number, to 4 decimals, half up; null where the number is 0.
  DuckDB divides decimals as floats; whole numbers keep it exact.
#}
{% macro money_per_unit(amount, quantity) -%}
    {{ return(adapter.dispatch('money_per_unit', 'larder')(amount, quantity)) }}
{%- endmacro %}


{% macro duckdb__money_per_unit(amount, quantity) -%}
    cast(
        (
            (2 * cast(10000 * ({{ amount }}) as bigint) + {{ quantity }})
            // nullif(2 * {{ quantity }}, 0)
        ) * cast(0.0001 as decimal(5, 4)) as decimal(18, 4)
    )
{%- endmacro %}

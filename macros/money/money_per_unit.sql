{#
  Money (2 decimals, not negative) divided by a whole number, to 4 decimals, half up; null where the number is 0. The exact
  division of `ratio` in whole numbers of 64 bits, for millions of lines; another type is an error.
#}
{% macro money_per_unit(amount, quantity) -%}
    {{ return(adapter.dispatch('money_per_unit', 'larder')(amount, quantity)) }}
{%- endmacro %}


{% macro duckdb__money_per_unit(amount, quantity) -%}
    case
        when {{ has_finer_places([amount], 2) }} or {{ has_finer_places([quantity], 0) }}
            then error('money_per_unit is for money with 2 places and a whole number')
        else cast(
            (
                (2 * cast(10000 * ({{ amount }}) as bigint) + {{ quantity }})
                // nullif(2 * {{ quantity }}, 0)
            ) * cast(0.0001 as decimal(5, 4)) as decimal(18, 4)
        )
    end
{%- endmacro %}

{#
  How many times more often two things come together than they would by chance, to 6 decimals.
  together, one, other, everything: counts, all above 0. Whole numbers in one row: no sum of floats.
#}
{% macro lift(together, one, other, everything) -%}
    cast(
        round(cast({{ together }} as double) * {{ everything }} / (cast({{ one }} as double) * {{ other }}), 6)
        as decimal(18, 6)
    )
{%- endmacro %}

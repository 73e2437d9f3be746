{#
  One amount divided by another, to 6 decimals; null where the second is 0. For amounts that are too large for the whole
  numbers of `ratio`.
#}
{% macro quotient(numerator, denominator) -%}
    cast(round(cast({{ numerator }} as double) / nullif({{ denominator }}, 0), 6) as decimal(18, 6))
{%- endmacro %}

{#
  One number divided by another as a floating-point number, the same on every engine; null where the second is 0. For statistics,
  and never to be added up: for figures there is `ratio`.
#}
{% macro quotient(numerator, denominator) -%}
    (cast({{ numerator }} as double) / nullif({{ denominator }}, 0))
{%- endmacro %}

{#
  A floating-point outcome of exact inputs as a decimal with 6 decimals: it compares equal between two builds.
#}
{% macro rounded(expression) -%}
    cast(round({{ expression }}, 6) as decimal(18, 6))
{%- endmacro %}

{#
  The exact square of an amount of money. A plain product of two decimals(18, 2) is too narrow.
#}
{% macro square(amount) -%}
    (cast({{ amount }} as decimal(19, 2)) * cast({{ amount }} as decimal(19, 2)))
{%- endmacro %}

{#
  Which 54 weeks a week is among: 0 for weeks 1 to 54, 1 for weeks 55 to 108, and so on. See week_bit.
#}
{% macro week_block(week_number) -%}
    cast(floor(({{ week_number }} - 1) / 54) as integer)
{%- endmacro %}

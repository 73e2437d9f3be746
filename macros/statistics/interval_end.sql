{#
  One end of the 95 % interval of an amount of money: `sign` is - or +.
#}
{% macro interval_end(amount, sign, standard_error) -%}
    cast({{ amount }} {{ sign }} 1.96 * {{ standard_error }} as decimal(18, 2))
{%- endmacro %}

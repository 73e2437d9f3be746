{#
  A set of retailer weeks (1 to 53) as the bits of one whole number: `bit_or` of week bits collects the weeks of a group in one
  pass, where rows to be joined once more for every week of a window would be millions.
#}
{% macro week_bit(week_number) -%}
    {{ return(adapter.dispatch('week_bit', 'larder')(week_number)) }}
{%- endmacro %}


{% macro duckdb__week_bit(week_number) -%}
    (cast(1 as bigint) << {{ week_number }})
{%- endmacro %}

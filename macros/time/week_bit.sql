{#
  A set of weeks as the bits of one whole number: `bit_or` of week bits collects the weeks of a group in one pass, where rows to be
  joined once more for every week of a window would be millions. 62 weeks fit: the 54 of a block (see week_block) and the 8
  before it, so that no window of 8 weeks is cut where a block begins.
    week_number: a week of the block, or one of the 8 before
    week_block: the block
#}
{% macro week_bit(week_number, week_block) -%}
    {{ return(adapter.dispatch('week_bit', 'larder')(week_number, week_block)) }}
{%- endmacro %}


{% macro duckdb__week_bit(week_number, week_block) -%}
    (cast(1 as bigint) << ({{ week_number }} - 54 * {{ week_block }} + 7))
{%- endmacro %}


{% macro spark__week_bit(week_number, week_block) -%}
    shiftleft(cast(1 as bigint), cast({{ week_number }} - 54 * {{ week_block }} + 7 as int))
{%- endmacro %}

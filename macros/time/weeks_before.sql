{#
  How many weeks of a set (see week_bit) are among the `count` weeks before a week, itself excluded; `count` is 8 at most.
    weeks: the set, of the block of the week
#}
{% macro weeks_before(weeks, week_number, week_block, count) -%}
    {{ return(adapter.dispatch('weeks_before', 'larder')(weeks, week_number, week_block, count)) }}
{%- endmacro %}


{% macro duckdb__weeks_before(weeks, week_number, week_block, count) -%}
    cast(
        bit_count(
            ({{ weeks }})
            & (cast({{ 2 ** count - 1 }} as bigint) << ({{ week_number }} - 54 * {{ week_block }} + 7 - {{ count }}))
        ) as integer
    )
{%- endmacro %}


{% macro spark__weeks_before(weeks, week_number, week_block, count) -%}
    cast(
        bit_count(
            ({{ weeks }})
            & shiftleft(
                cast({{ 2 ** count - 1 }} as bigint), cast({{ week_number }} - 54 * {{ week_block }} + 7 - {{ count }} as int)
            )
        ) as integer
    )
{%- endmacro %}

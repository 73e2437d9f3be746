{#
  Money (2 decimals) divided by a whole number, to 4 decimals, half away from zero; null where the number is 0. The exact
  division of `ratio` in whole numbers of 64 bits, for millions of lines; another type is an error.
#}
{% macro money_per_unit(amount, quantity) -%}
    case
        when {{ has_finer_places([amount], 2) }} or {{ has_finer_places([quantity], 0) }}
            then {{ refused('money_per_unit is for money with 2 places and a whole number') }}
        else {{ whole_ratio(
            'cast(100 * (' ~ amount ~ ') as bigint)', 'cast(100 * cast(' ~ quantity ~ ' as bigint) as bigint)', 4
        ) }}
    end
{%- endmacro %}

{#
  How many whole times a number that is not negative contains another; null where that is 0.
    numerator, denominator: whole numbers
#}
{% macro whole_quotient(numerator, denominator) -%}
    {{ return(adapter.dispatch('whole_quotient', 'larder')(numerator, denominator)) }}
{%- endmacro %}


{% macro duckdb__whole_quotient(numerator, denominator) -%}
    ({{ numerator }} // nullif({{ denominator }}, 0))
{%- endmacro %}


{# The result of `div` has 64 bits, and what has more would silently be another number. #}
{% macro spark__whole_quotient(numerator, denominator) -%}
    case
        when cast({{ numerator }} as double) > 9e18 * cast(nullif({{ denominator }}, 0) as double)
            then {{ refused('a quotient is too large for a whole number of 64 bits') }}
        else {{ numerator }} div nullif({{ denominator }}, 0)
    end
{%- endmacro %}

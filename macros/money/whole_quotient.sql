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


{% macro spark__whole_quotient(numerator, denominator) -%}
    ({{ numerator }} div nullif({{ denominator }}, 0))
{%- endmacro %}

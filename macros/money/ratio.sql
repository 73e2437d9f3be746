{#
  One amount divided by another, exactly, to `decimals` places, half away from zero; null where the second is 0. For whole
  numbers and decimals with up to 12 places; what it cannot carry is an error and never a wrong figure. DuckDB divides
  decimals as floats; whole numbers keep it exact.
#}
{% macro ratio(numerator, denominator, decimals=6) -%}
    {{ return(adapter.dispatch('ratio', 'larder')(numerator, denominator, decimals)) }}
{%- endmacro %}


{#
  Counts and cents are the fast cases; a sum that is too large for them is an error. The types are known before the first row is
  read: what is not taken costs nothing.
#}
{% macro duckdb__ratio(numerator, denominator, decimals=6) -%}
    {%- set types = 'typeof(' ~ numerator ~ ') || typeof(' ~ denominator ~ ')' -%}
    {%- set count = 'cast({} as bigint)' -%}
    {%- set cents = 'cast(100 * ({}) as hugeint)' -%}
    {%- set digits = 'cast(cast({} as decimal(38, 12)) * 1000000000000 as hugeint)' -%}
    case
        when {{ has_finer_places([numerator, denominator], 12) }}
            then {{ refused('ratio is for whole numbers and decimals with up to 12 places') }}
        when not {{ has_finer_places([numerator, denominator], 0) }} and {{ types }} not like '%HUGEINT%'
            then {{ whole_ratio(count.format(numerator), count.format(denominator), decimals) }}
        when {{ has_finer_places([numerator, denominator], 2) }}
            then {{ whole_ratio(digits.format(numerator), digits.format(denominator), decimals) }}
        else {{ whole_ratio(cents.format(numerator), cents.format(denominator), decimals) }}
    end
{%- endmacro %}


{# Decimals of 38 digits carry what two integer types carry in DuckDB. #}
{% macro spark__ratio(numerator, denominator, decimals=6) -%}
    {%- set digits = 'cast(cast({} as decimal(38, 12)) * 1000000000000 as decimal(38, 0))' -%}
    case
        when {{ has_finer_places([numerator, denominator], 12) }}
            then {{ refused('ratio is for whole numbers and decimals with up to 12 places') }}
        else {{ whole_ratio(digits.format(numerator), digits.format(denominator), decimals) }}
    end
{%- endmacro %}

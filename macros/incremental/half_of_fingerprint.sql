{# 31 bits of the fingerprint of a key, from its one end or the other. #}
{% macro half_of_fingerprint(key, is_lower) -%}
    {{ return(adapter.dispatch('half_of_fingerprint', 'larder')(key, is_lower)) }}
{%- endmacro %}


{% macro duckdb__half_of_fingerprint(key, is_lower) -%}
    cast({{ fingerprint_of_values(key) }} {{ '& 2147483647' if is_lower else '>> 33' }} as bigint)
{%- endmacro %}


{% macro spark__half_of_fingerprint(key, is_lower) -%}
    {%- set fingerprint = fingerprint_of_values(key) -%}
    {{ '(' ~ fingerprint ~ ' & 2147483647)' if is_lower else 'shiftrightunsigned(' ~ fingerprint ~ ', 33)' }}
{%- endmacro %}

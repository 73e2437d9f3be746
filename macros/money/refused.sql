{# An expression that stops the query, saying why. #}
{% macro refused(message) -%}
    {{ return(adapter.dispatch('refused', 'larder')(message)) }}
{%- endmacro %}


{% macro duckdb__refused(message) -%}
    error('{{ message }}')
{%- endmacro %}


{% macro spark__refused(message) -%}
    raise_error('{{ message }}')
{%- endmacro %}

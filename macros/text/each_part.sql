{# A row for each part of a text between separators of one character: an entry of `select`. #}
{% macro each_part(text, separator) -%}
    {{ return(adapter.dispatch('each_part', 'larder')(text, separator)) }}
{%- endmacro %}


{% macro duckdb__each_part(text, separator) -%}
    unnest(string_split({{ text }}, '{{ separator }}'))
{%- endmacro %}


{% macro spark__each_part(text, separator) -%}
    explode(split({{ text }}, '[{{ separator }}]'))
{%- endmacro %}

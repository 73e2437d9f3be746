{# A value of a seed as a literal of Spark, where a backslash and an apostrophe are escaped. #}
{% macro spark_literal(value) -%}
    {%- if value is none %}null{% else -%}
        '{{ value | string | replace('\\', '\\\\') | replace("'", "\\'") }}'
    {%- endif -%}
{%- endmacro %}

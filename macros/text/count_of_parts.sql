{# How many parts a text has between separators of one character. #}
{% macro count_of_parts(text, separator) -%}
    (length({{ text }}) - length(replace({{ text }}, '{{ separator }}', '')) + 1)
{%- endmacro %}

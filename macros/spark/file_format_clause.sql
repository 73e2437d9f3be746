{# Every table on Spark is one of Iceberg. #}
{% macro spark__file_format_clause() %}
    using iceberg
{% endmacro %}

{# The one strategy that both engines have here. dbt-spark's own name, in whose place this stands. #}
{% macro dbt_spark_validate_get_incremental_strategy(raw_strategy, file_format) %}
    {% if raw_strategy != 'delete+insert' %}
        {% do exceptions.raise_compiler_error("Strategy '" ~ raw_strategy ~ "' is not for both engines: use delete+insert") %}
    {% endif %}
    {% do return(raw_strategy) %}
{% endmacro %}

{# What dbt compares a contract with: a query without rows, of the declared types by the engine's names for them. #}
{% macro spark__get_empty_schema_sql(columns) %}
    {%- set named = {} -%}
    {%- for name, column in columns.items() %}
        {%- do named.update({name: dict(column, data_type=larder.engine_type(column.data_type))}) -%}
    {%- endfor -%}
    {{ return(default__get_empty_schema_sql(named)) }}
{% endmacro %}

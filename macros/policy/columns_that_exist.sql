{# Every column that a relation has, declared or not: a query of table_schema, table_name and column_name. #}
{% macro columns_that_exist() %}
    {{ return(adapter.dispatch('columns_that_exist', 'larder')()) }}
{% endmacro %}


{% macro duckdb__columns_that_exist() %}
    select
        table_schema,
        table_name,
        column_name
    from information_schema.columns
    where table_catalog = current_database()
{% endmacro %}


{# Spark has no table of them: each relation of the project is asked. #}
{% macro spark__columns_that_exist() %}
    {% set rows = ["(cast(null as string), cast(null as string), cast(null as string))"] %}
    {% set nodes = graph.nodes.values() | selectattr('resource_type', 'in', ['model', 'seed']) | list if execute else [] %}
    {% for node in nodes + (graph.sources.values() | list if execute else []) %}
        {% set name = node.alias or node.identifier %}
        {% set found = adapter.get_relation(database=none, schema=node.schema, identifier=name) %}
        {% for column in (adapter.get_columns_in_relation(found) if found else []) %}
            {% do rows.append("('" ~ [node.schema, name, column.name] | join("', '") ~ "')") %}
        {% endfor %}
    {% endfor %}
    select * from values {{ rows | join(', ') }} as columns (table_schema, table_name, column_name)
{% endmacro %}

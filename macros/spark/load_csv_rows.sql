{# The rows of a seed as literals: dbt-spark writes an apostrophe as it is. #}
{% macro spark__load_csv_rows(model, agate_table) %}
    {% set types = model.config.get('column_types', {}) %}
    {% set rows = [] %}
    {% for row in agate_table.rows %}
        {% set values = [] %}
        {% for value in row %}
            {% set name = agate_table.column_names[loop.index0] %}
            {% set type = engine_type(types.get(name, adapter.convert_type(agate_table, loop.index0))) %}
            {% do values.append('cast(' ~ larder.spark_literal(value) ~ ' as ' ~ type ~ ')') %}
        {% endfor %}
        {% do rows.append('(' ~ values | join(', ') ~ ')') %}
    {% endfor %}
    {% if not rows %}{{ return('') }}{% endif %}
    {% set insertion = 'insert into ' ~ this ~ ' values ' ~ rows | join(', ') %}
    {% do adapter.add_query(insertion, abridge_sql_log=True) %}
    {{ return(insertion) }}
{% endmacro %}

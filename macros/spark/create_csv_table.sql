{# The table of a seed, with its types by Spark's names. #}
{% macro spark__create_csv_table(model, agate_table) %}
    {% set types = model.config.get('column_types', {}) %}
    {% set columns = [] %}
    {% for name in agate_table.column_names %}
        {% do columns.append(name ~ ' ' ~ engine_type(types.get(name, adapter.convert_type(agate_table, loop.index0)))) %}
    {% endfor %}
    {% call statement('_') %}
        create table {{ this }} ({{ columns | join(', ') }}) using iceberg
    {% endcall %}
    {{ return('') }}
{% endmacro %}

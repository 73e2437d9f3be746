{#
  The columns that the project's YAML declares, as a list of {schema, table, column, classification}, over every source,
  seed and model; a table that declares no column is in it once, with column and classification none. Empty while the
  project is parsed.
#}
{% macro columns_by_class() %}
    {% set found = [] %}
    {% if execute and graph is defined %}
        {% set nodes = graph.nodes.values() | selectattr('resource_type', 'in', ['model', 'seed']) | list %}
        {% for node in (graph.sources.values() | list) + nodes %}
            {% if not node.columns %}
                {% do found.append({'schema': node.schema, 'table': node.name, 'column': none, 'classification': none}) %}
            {% endif %}
            {% for column in node.columns.values() %}
                {% set class = column.get('config', {}).get('meta', {}).get('classification') %}
                {% do found.append(
                    {'schema': node.schema, 'table': node.name, 'column': column.name, 'classification': class}
                ) %}
            {% endfor %}
        {% endfor %}
    {% endif %}
    {% do return(found) %}
{% endmacro %}

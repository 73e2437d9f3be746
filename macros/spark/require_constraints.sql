{# Raise an error that names the first constraint that a row breaks. A check that is null holds, as in DuckDB. #}
{% macro require_constraints(relation, model) %}
    {% set broken = {} %}
    {% for column in model.columns.values() %}
        {% for constraint in column.constraints %}
            {% if constraint.type == 'not_null' %}
                {% do broken.update({column.name ~ ' is not null': column.name ~ ' is null'}) %}
            {% elif constraint.type == 'check' %}
                {% do broken.update({constraint.expression: 'not (' ~ constraint.expression ~ ')'}) %}
            {% endif %}
        {% endfor %}
    {% endfor %}
    {% for constraint in model.constraints if constraint.type == 'check' %}
        {% do broken.update({constraint.expression: 'not (' ~ constraint.expression ~ ')'}) %}
    {% endfor %}
    {% if broken %}
        {% set counts = [] %}
        {% for condition in broken.values() %}{% do counts.append('count_if(' ~ condition ~ ')') %}{% endfor %}
        {% set found = run_query('select ' ~ counts | join(', ') ~ ' from ' ~ relation).rows[0] %}
        {% for rule in broken %}
            {% if found[loop.index0] %}
                {% do exceptions.raise_compiler_error(
                    'Constraint of ' ~ relation ~ ' is broken by ' ~ found[loop.index0] ~ ' rows: ' ~ rule
                ) %}
            {% endif %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{# Spark enforces no constraint: persist_docs looks up whether they hold. #}
{% macro spark__persist_constraints(relation, model) %}{% endmacro %}

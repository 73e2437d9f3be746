{#
  The last step of dbt's materializations of tables, also of an incremental one: look up what the contract says of the rows. Comments are
  left out: each would be a commit of its table, and the catalog has them from the project itself.
#}
{% macro spark__persist_docs(relation, model, for_relation, for_columns) %}
    {% if model.config.contract.enforced and model.config.materialized != 'view' %}
        {% do larder.require_constraints(relation, model) %}
    {% endif %}
{% endmacro %}

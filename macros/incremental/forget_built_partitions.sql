{# Post-hook before `record_built_partitions`: take the model off the record of partitions, in the model's own transaction. #}
{% macro forget_built_partitions() %}
    delete from observe.built_partitions
    where model = '{{ this.schema }}.{{ this.identifier }}'
{% endmacro %}

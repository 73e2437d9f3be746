{#
  Post-hook before `record_built_loads`: take the model off the record of loads, in the model's own transaction.
  Arguments: the sources' names, as there.
#}
{% macro forget_built_loads() %}
    delete from observe.built_loads
    where model = '{{ this.schema }}.{{ this.identifier }}' and source in ('{{ varargs | join("', '") }}')
{% endmacro %}

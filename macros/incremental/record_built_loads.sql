{#
  Post-hook of an incremental model: remember, in the model's own transaction, which loads it now holds. The memory
  sits beside the table and not in it, so a mart's content never depends on how many loads brought it.
#}
{% macro record_built_loads(source) %}
    delete from observe.built_loads where model = '{{ this.identifier }}';
    insert into observe.built_loads
    select '{{ this.identifier }}', loads.source, loads.load_id
    from raw.completed_loads as loads
    where loads.source = '{{ source }}'
{% endmacro %}

{#
  Post-hook of an incremental model: remember, in the model's own transaction, which loads it now holds. A model that
  fails rolls back both. The memory sits beside the table and not in it, so a mart's content never depends on how many
  loads brought it.
  source_system: a source's name, e.g. 'pos'.
#}
{% macro record_built_loads(source_system) %}
    delete from observe.built_loads
    where model = '{{ this.identifier }}' and source = '{{ source_system }}';

    insert into observe.built_loads (model, source, load_id)
    select
        '{{ this.identifier }}' as model,
        loads.source,
        loads.load_id
    from raw.completed_loads as loads
    where loads.source = '{{ source_system }}'
{% endmacro %}

{#
  Post-hook of an incremental model: remember, in the model's own transaction, which loads it now holds. A model that
  fails rolls back both. The memory sits beside the table and not in it, so a mart's content never depends on how many
  loads brought it.
  Arguments: the sources' names, e.g. 'pos', 'pos_stream'.
#}
{% macro record_built_loads() %}
    {% set sources = "'" ~ varargs | join("', '") ~ "'" %}
    delete from observe.built_loads
    where model = '{{ this.identifier }}' and source in ({{ sources }});

    insert into observe.built_loads (model, source, load_id)
    select
        '{{ this.identifier }}' as model,
        loads.source,
        loads.load_id
    from raw.completed_loads as loads
    where loads.source in ({{ sources }})
{% endmacro %}

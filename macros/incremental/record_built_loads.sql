{#
  Post-hook of an incremental model: record, in the model's own transaction, up to which load of each source it is built:
  loads have positions in their source's log, and readers see them up to one. A model that fails rolls back both. The
  record is a separate table, not a column of the mart, so a mart's content never depends on how many loads brought it.
  Arguments: the sources' names, e.g. 'pos', 'pos_stream'.
#}
{% macro record_built_loads() %}
    {% set sources = "'" ~ varargs | join("', '") ~ "'" %}
    insert into observe.built_loads (model, source, load_id, position)
    select
        '{{ this.schema }}.{{ this.identifier }}' as model,
        loads.source,
        max_by(loads.load_id, loads.position) as load_id,
        max(loads.position) as position
    from raw.completed_loads as loads
    where loads.source in ({{ sources }})
    group by loads.source
{% endmacro %}

{#
  The completed loads of some source systems that are not built into this model yet, as a subquery. Only for an incremental
  run: a first build and a full refresh take everything, and `record_built_loads` then records everything. Where the recorded
  load no longer exists, because the lake was restored to an earlier state, every load counts as not built.
  Arguments: the sources' names, e.g. 'pos', 'pos_stream'.
#}
{% macro unbuilt_loads() -%}
    (
        select loads.load_id
        from raw.completed_loads as loads
        left join (
            select
                recorded.source,
                recorded.position
            from observe.built_loads as recorded
            inner join raw.completed_loads as last_built
                on
                    recorded.source = last_built.source
                    and recorded.load_id = last_built.load_id
                    and recorded.position = last_built.position
            where recorded.model = '{{ this.schema }}.{{ this.identifier }}'
        ) as built
            on loads.source = built.source
        where
            loads.source in ('{{ varargs | join("', '") }}')
            and (built.position is null or loads.position > built.position)
    )
{%- endmacro %}

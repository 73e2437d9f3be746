{#
  The completed loads of some source systems that this model does not hold yet, as a subquery. Only for an incremental
  run: a first build and a full refresh take everything, and `record_built_loads` then remembers everything. Where the load
  up to which it holds all is no more, because the lake was put back, it holds nothing.
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
            where recorded.model = '{{ this.identifier }}'
        ) as built
            on loads.source = built.source
        where
            loads.source in ('{{ varargs | join("', '") }}')
            and (built.position is null or loads.position > built.position)
    )
{%- endmacro %}

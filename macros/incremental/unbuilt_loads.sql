{#
  The completed loads of some source systems that this model does not hold yet, as a subquery. Only for an incremental
  run: a first build and a full refresh take everything, and `record_built_loads` then remembers everything.
  Arguments: the sources' names, e.g. 'pos', 'pos_stream'.
#}
{% macro unbuilt_loads() -%}
    (
        select loads.load_id
        from raw.completed_loads as loads
        left join observe.built_loads as built
            on
                built.model = '{{ this.identifier }}'
                and loads.source = built.source
                and loads.load_id = built.load_id
        where
            loads.source in ('{{ varargs | join("', '") }}')
            and built.load_id is null
    )
{%- endmacro %}

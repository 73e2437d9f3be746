{# The completed loads of one source that this model has not taken in yet, as a subquery. #}
{% macro unbuilt_loads(source) -%}
    (
        select loads.load_id
        from raw.completed_loads as loads
        where
            loads.source = '{{ source }}'
            and loads.load_id not in (
                select built.load_id
                from observe.built_loads as built
                where built.model = '{{ this.identifier }}'
            )
    )
{%- endmacro %}

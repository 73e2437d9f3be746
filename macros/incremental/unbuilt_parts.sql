{#
  The parts (days, weeks, as-of dates) that this model does not hold, as a subquery: new ones, and those that
  `forget_changed_parts` has just deleted. Only for an incremental run, as `unbuilt_loads`.
  fingerprints, part: as for `forget_changed_parts`.
#}
{% macro unbuilt_parts(fingerprints, part) -%}
    (
        select fingerprints.{{ part }}
        from {{ fingerprints }} as fingerprints
        left join observe.built_parts as built
            on
                built.model = '{{ this.identifier }}'
                and built.part = cast(fingerprints.{{ part }} as varchar)
        where built.part is null
    )
{%- endmacro %}

{#
  The partitions (days, weeks or as-of dates) that this model does not have, as a subquery: new ones, and those that
  `delete_stale_partitions` has just deleted. Only for an incremental run, as `unbuilt_loads`.
  fingerprints, partition_key: as for `forget_stale_partitions`.
#}
{% macro missing_partitions(fingerprints, partition_key) -%}
    (
        select fingerprints.{{ partition_key }}
        from {{ fingerprints }} as fingerprints
        left join observe.built_partitions as built
            on
                built.model = '{{ this.schema }}.{{ this.identifier }}'
                and built.partition_key = cast(fingerprints.{{ partition_key }} as string)
        where built.partition_key is null
    )
{%- endmacro %}

{#
  Pre-hook of a mart that is built by partition (day, week or as-of date): delete, in the model's own transaction, the partitions
  that are not on record, or no more (see forget_stale_partitions).
  partition_key: the column of this mart that identifies the partition.
#}
{% macro delete_stale_partitions(partition_key) %}
    {% if is_incremental() %}
        -- Grouped by partition first: one cast to text per partition, not per row.
        delete from {{ this }}
        where
            {{ partition_key }} in (
                select present.{{ partition_key }}
                from (select {{ partition_key }} from {{ this }} group by {{ partition_key }}) as present
                where
                    cast(present.{{ partition_key }} as string) not in (
                        select built.partition_key
                        from observe.built_partitions as built
                        where built.model = '{{ this.schema }}.{{ this.identifier }}'
                    )
            )
    {% endif %}
{% endmacro %}

{#
  Pre-hook of a mart that is built by partition (day, week or as-of date): delete, in the model's own transaction, the
  partitions that differ from what they were built from. A partition stays while its fingerprint is the one that was recorded
  when it was built; one whose input has changed, or has gone, is deleted.
  fingerprints: a relation with a column `fingerprint`; partition_key: the column of it, and of this mart, that identifies the
  partition; rows of one partition are combined. fingerprint: another column with the fingerprint.
#}
{% macro delete_stale_partitions(fingerprints, partition_key, fingerprint='fingerprint') %}
    {% if is_incremental() %}
        delete from observe.built_partitions as built
        where
            built.model = '{{ this.schema }}.{{ this.identifier }}'
            and (built.partition_key, built.fingerprint) not in (
                select (cast({{ partition_key }} as varchar), bit_xor({{ fingerprint }}))
                from {{ fingerprints }}
                group by {{ partition_key }}
            );

        -- Grouped by partition first: one cast to text per partition, not per row.
        delete from {{ this }}
        where
            {{ partition_key }} in (
                select present.{{ partition_key }}
                from (select {{ partition_key }} from {{ this }} group by {{ partition_key }}) as present
                where
                    cast(present.{{ partition_key }} as varchar) not in (
                        select built.partition_key
                        from observe.built_partitions as built
                        where built.model = '{{ this.schema }}.{{ this.identifier }}'
                    )
            )
    {% endif %}
{% endmacro %}

{#
  Pre-hook of a mart that is built by partition, before `delete_stale_partitions`: of the record of partitions, delete those that
  differ from what they were built from. A partition stays while its fingerprint is the one that was recorded when it was built; one
  whose input has changed, or has gone, is forgotten.
  fingerprints: a relation with a column `fingerprint`; partition_key: the column of it, and of this mart, that identifies the
  partition; rows of one partition are combined. fingerprint: another column with the fingerprint.
#}
{% macro forget_stale_partitions(fingerprints, partition_key, fingerprint='fingerprint') %}
    {% if is_incremental() %}
        delete from observe.built_partitions
        where
            model = '{{ this.schema }}.{{ this.identifier }}'
            and coalesce(partition_key || ' ' || cast(fingerprint as string), '') not in (
                select coalesce(cast({{ partition_key }} as string) || ' ' || cast(bit_xor({{ fingerprint }}) as string), 'none')
                from {{ fingerprints }}
                group by {{ partition_key }}
            )
    {% endif %}
{% endmacro %}

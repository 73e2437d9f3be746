{#
  Post-hook of a mart that is built by partition (day, week or as-of date): record, in the model's own transaction, which
  partitions it now has, and the fingerprint of what each was built from. As for the loads, the record is a separate table,
  not a column of the mart.
  fingerprints, partition_key, fingerprint: as for `forget_stale_partitions`.
#}
{% macro record_built_partitions(fingerprints, partition_key, fingerprint='fingerprint') %}
    insert into observe.built_partitions (model, partition_key, fingerprint)
    select
        '{{ this.schema }}.{{ this.identifier }}' as model,
        cast({{ partition_key }} as string) as partition_key,
        bit_xor({{ fingerprint }}) as fingerprint
    from {{ fingerprints }}
    group by {{ partition_key }}
{% endmacro %}

{#
  The records of a raw table whose source changes and deletes them, each as last told: all columns, and `is_deleted`. Each load
  brings what the source shows at that time: its last word about a record counts, be it row or deletion.
    system, table: the raw table
    key: the column that names a record
#}
{% macro latest_records(system, table, key) %}
    with versions as (
        select
            *,
            row_number() over (
                partition by {{ key }}
                order by _dlt_load_id desc, updated_at desc
            ) as version_rank
        from {{ source(system, table) }}
    ),

    deleted as (
        {{ last_deletions(system, table) }}
    )

    select
        versions.*,
        coalesce(deleted.load_id > versions._dlt_load_id, false) as is_deleted
    from versions
    left join deleted
        on versions.{{ key }} = deleted.record_key
    where versions.version_rank = 1
{% endmacro %}

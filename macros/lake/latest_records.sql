{#
  The latest version of each record of a raw table whose source updates and deletes records: all columns, and `is_deleted`.
  Each load brings what the source shows at that time: the last one that has the record, as a row or as a deletion, counts.
    system, table: the raw table
    key: the column that identifies a record
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

-- grain: one row per store, as last changed
with stores as (
    select * from {{ source('merchandising', 'stores') }}
),

deletions as (
    select * from {{ source('merchandising', 'deletions') }}
),

-- Each load brings what the source shows at that time: its last word about a record counts, be it row or deletion.
versions as (
    select
        *,
        row_number() over (
            partition by store_id
            order by _dlt_load_id desc, updated_at desc
        ) as version_rank
    from stores
),

deleted as (
    select
        record_key,
        max(_dlt_load_id) as load_id
    from deletions
    where table_name = 'stores'
    group by record_key
),

latest as (
    select
        versions.*,
        coalesce(deleted.load_id > versions._dlt_load_id, false) as is_deleted
    from versions
    left join deleted
        on versions.store_id = deleted.record_key
    where versions.version_rank = 1
),

final as (
    select
        store_id,
        till_system,
        is_deleted,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from latest
)

select * from final

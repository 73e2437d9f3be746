-- grain: one row per store, as last changed
with stores as (
    select * from {{ source('merchandising', 'stores') }}
),

-- Loaded by cursor: a changed row comes again with a later updated_at. Within one load equal times are the same row.
versions as (
    select
        *,
        row_number() over (
            partition by store_id
            order by updated_at desc, _dlt_load_id desc
        ) as version_rank
    from stores
),

final as (
    select
        store_id,
        till_system,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from versions
    where version_rank = 1
)

select * from final

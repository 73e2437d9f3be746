-- grain: one row per redemption, as last changed
with coupon_redemptions as (
    select * from {{ source('campaigns', 'coupon_redemptions') }}
),

deletions as (
    select * from {{ source('campaigns', 'deletions') }}
),

-- Each load brings what the source shows at that time: its last word about a record counts, be it row or deletion.
versions as (
    select
        *,
        row_number() over (
            partition by id
            order by _dlt_load_id desc, updated_at desc
        ) as version_rank
    from coupon_redemptions
),

deleted as (
    select
        record_key,
        max(_dlt_load_id) as load_id
    from deletions
    where table_name = 'coupon_redemptions'
    group by record_key
),

latest as (
    select
        versions.*,
        coalesce(deleted.load_id > versions._dlt_load_id, false) as is_deleted
    from versions
    left join deleted
        on versions.id = deleted.record_key
    where versions.version_rank = 1
),

final as (
    select
        id as redemption_id,
        household_id,
        coupon_upc,
        campaign_id,
        redemption_date,
        is_deleted,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from latest
)

select * from final

-- grain: one row per coupon record of the campaign application, as last changed
with coupons as (
    select * from {{ source('campaigns', 'coupons') }}
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
    from coupons
),

deleted as (
    select
        record_key,
        max(_dlt_load_id) as load_id
    from deletions
    where table_name = 'coupons'
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

-- The application holds some (coupon, product, campaign) twice, under different ids: flagged here, left out later.
repeats as (
    select
        *,
        row_number() over (
            partition by coupon_upc, product_id, campaign_id
            order by is_deleted, id
        ) as repeat_rank
    from latest
),

final as (
    select
        id as coupon_id,
        coupon_upc,
        product_id,
        campaign_id,
        repeat_rank > 1 as is_repeat,
        is_deleted,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from repeats
)

select * from final

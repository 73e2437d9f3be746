-- grain: one row per coupon record of the campaign application, as last changed
with coupons as (
    select * from {{ source('campaigns', 'coupons') }}
),

-- Loaded by cursor: a changed row comes again with a later updated_at. Within one load equal times are the same row.
versions as (
    select
        *,
        row_number() over (
            partition by id
            order by updated_at desc, _dlt_load_id desc
        ) as version_rank
    from coupons
),

-- The application holds some (coupon, product, campaign) twice, under different ids: flagged here, left out later.
repeats as (
    select
        *,
        row_number() over (
            partition by coupon_upc, product_id, campaign_id
            order by id
        ) as repeat_rank
    from versions
    where version_rank = 1
),

final as (
    select
        id as coupon_id,
        coupon_upc,
        product_id,
        campaign_id,
        repeat_rank > 1 as is_repeat,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from repeats
)

select * from final

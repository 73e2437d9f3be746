-- grain: one row per redemption, as last changed
with coupon_redemptions as (
    select * from {{ source('campaigns', 'coupon_redemptions') }}
),

-- Loaded by cursor: a changed row comes again with a later updated_at. Within one load equal times are the same row.
versions as (
    select
        *,
        row_number() over (
            partition by id
            order by updated_at desc, _dlt_load_id desc
        ) as version_rank
    from coupon_redemptions
),

final as (
    select
        id as redemption_id,
        household_id,
        coupon_upc,
        campaign_id,
        redemption_date,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from versions
    where version_rank = 1
)

select * from final

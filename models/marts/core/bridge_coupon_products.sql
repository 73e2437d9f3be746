-- grain: one row per campaign, coupon and product that the coupon is valid for
with coupons as (
    select * from {{ ref('stg_campaigns__coupons') }}
),

final as (
    select
        campaign_id,
        coupon_upc,
        product_id
    from coupons
    where not is_repeat
)

select * from final

-- grain: one row per campaign, coupon and product that the coupon is valid for
with coupons as (
    select * from {{ ref('stg_campaigns__coupons') }}
    where not is_repeat
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

redeemed as (
    select
        campaign_id,
        coupon_upc
    from redemptions
    group by campaign_id, coupon_upc
),

final as (
    select
        coupons.campaign_id,
        coupons.coupon_upc,
        coupons.product_id
    from coupons
    left join redeemed
        on
            coupons.campaign_id = redeemed.campaign_id
            and coupons.coupon_upc = redeemed.coupon_upc
    -- what the application has deleted stays as long as a redemption refers to it
    where not coupons.is_deleted or redeemed.coupon_upc is not null
)

select * from final

-- grain: one row per campaign
with campaigns as (
    select * from {{ ref('stg_campaigns__campaigns') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
),

targeted as (
    select
        campaign_id,
        count(*) as targeted_households
    from targets
    group by campaign_id
),

offered as (
    select
        campaign_id,
        -- distinct: one coupon is valid for many products
        count(distinct coupon_upc) as coupons,
        count(distinct product_id) as coupon_products
    from coupon_products
    group by campaign_id
),

final as (
    select
        campaigns.campaign_id,
        campaigns.campaign_type,
        campaigns.campaign_type = 'A' as is_personalised,
        campaigns.start_date,
        campaigns.end_date,
        {{ dbt.datediff('campaigns.start_date', 'campaigns.end_date', 'day') }} + 1 as duration_days,
        coalesce(targeted.targeted_households, 0) as targeted_households,
        coalesce(offered.coupons, 0) as coupons,
        coalesce(offered.coupon_products, 0) as coupon_products,
        campaigns.is_deleted
    from campaigns
    left join targeted
        on campaigns.campaign_id = targeted.campaign_id
    left join offered
        on campaigns.campaign_id = offered.campaign_id
)

select * from final

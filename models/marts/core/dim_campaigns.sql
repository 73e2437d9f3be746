-- grain: one row per campaign: the application's, and one inferred member per id that only the facts know
with campaigns as (
    select * from {{ ref('stg_campaigns__campaigns') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
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

-- union: a campaign has many of each.
seen as (
    select campaign_id from targets
    union
    select campaign_id from coupon_products
    union
    select campaign_id from redemptions
),

members as (
    select
        campaign_id,
        campaign_type,
        start_date,
        end_date,
        false as is_unknown,
        is_deleted
    from campaigns
    union all
    select
        seen.campaign_id,
        'Unknown' as campaign_type,
        cast(null as date) as start_date,
        cast(null as date) as end_date,
        true as is_unknown,
        false as is_deleted
    from seen
    left join campaigns
        on seen.campaign_id = campaigns.campaign_id
    where campaigns.campaign_id is null
),

final as (
    select
        members.campaign_id,
        members.campaign_type,
        members.campaign_type = 'A' as is_personalised,
        members.start_date,
        members.end_date,
        {{ dbt.datediff('members.start_date', 'members.end_date', 'day') }} + 1 as duration_days,
        coalesce(targeted.targeted_households, 0) as targeted_households,
        coalesce(offered.coupons, 0) as coupons,
        coalesce(offered.coupon_products, 0) as coupon_products,
        members.is_unknown,
        members.is_deleted
    from members
    left join targeted
        on members.campaign_id = targeted.campaign_id
    left join offered
        on members.campaign_id = offered.campaign_id
)

select * from final

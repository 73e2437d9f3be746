-- grain: one row per campaign and household that it targets
with targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

redeemed as (
    select
        campaign_id,
        household_id,
        count(*) as redemptions
    from redemptions
    group by campaign_id, household_id
),

final as (
    select
        targets.campaign_id,
        targets.household_id,
        campaigns.start_date,
        -- A household gets 16 coupons of a personalised campaign, and all of another.
        case when campaigns.is_personalised then least(campaigns.coupons, 16) else campaigns.coupons end
            as offered_coupons,
        coalesce(redeemed.redemptions, 0) as redemptions
    from targets
    inner join campaigns
        on targets.campaign_id = campaigns.campaign_id
    left join redeemed
        on
            targets.campaign_id = redeemed.campaign_id
            and targets.household_id = redeemed.household_id
)

select * from final

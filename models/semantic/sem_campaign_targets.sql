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

-- distinct: a household may redeem several coupons of a campaign
redeemed as (
    select distinct
        campaign_id,
        household_id
    from redemptions
),

final as (
    select
        targets.campaign_id,
        targets.household_id,
        campaigns.start_date,
        redeemed.household_id is not null as has_redeemed
    from targets
    inner join campaigns
        on targets.campaign_id = campaigns.campaign_id
    left join redeemed
        on
            targets.campaign_id = redeemed.campaign_id
            and targets.household_id = redeemed.household_id
)

select * from final

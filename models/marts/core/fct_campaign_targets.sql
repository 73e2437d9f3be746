-- grain: one row per campaign and household that it targets
with campaign_households as (
    select * from {{ ref('stg_campaigns__campaign_households') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

redeeming as (
    select
        campaign_id,
        household_id
    from redemptions
    group by campaign_id, household_id
),

final as (
    -- grouped: the application may have a pair under two ids, which is one target
    select
        campaign_households.campaign_id,
        campaign_households.household_id
    from campaign_households
    left join redeeming
        on
            campaign_households.campaign_id = redeeming.campaign_id
            and campaign_households.household_id = redeeming.household_id
    -- what the application has deleted stays as long as a redemption refers to it
    where not campaign_households.is_deleted or redeeming.household_id is not null
    group by campaign_households.campaign_id, campaign_households.household_id
)

select * from final

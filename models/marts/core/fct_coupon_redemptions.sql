-- grain: one row per coupon redeemed
with redemptions as (
    select * from {{ ref('stg_campaigns__coupon_redemptions') }}
    where not is_deleted
),

campaigns as (
    select * from {{ ref('stg_campaigns__campaigns') }}
),

-- What the application has deleted counts: it was there when the coupon was redeemed.
targets as (
    select
        campaign_id,
        household_id
    from {{ ref('stg_campaigns__campaign_households') }}
    group by campaign_id, household_id
),

offered_coupons as (
    select
        campaign_id,
        coupon_upc
    from {{ ref('stg_campaigns__coupons') }}
    group by campaign_id, coupon_upc
),

final as (
    select
        redemptions.redemption_id,
        redemptions.household_id,
        redemptions.coupon_upc,
        redemptions.campaign_id,
        redemptions.redemption_date,
        {{ retail_week_number('redemptions.redemption_date') }} as week_number,
        {{ dbt.datediff('campaigns.start_date', 'redemptions.redemption_date', 'day') }} as days_since_start,
        targets.household_id is not null as is_targeted,
        offered_coupons.coupon_upc is not null as is_offered,
        coalesce(redemptions.redemption_date between campaigns.start_date and campaigns.end_date, false)
            as is_in_campaign
    from redemptions
    left join campaigns
        on redemptions.campaign_id = campaigns.campaign_id
    left join targets
        on
            redemptions.campaign_id = targets.campaign_id
            and redemptions.household_id = targets.household_id
    left join offered_coupons
        on
            redemptions.campaign_id = offered_coupons.campaign_id
            and redemptions.coupon_upc = offered_coupons.coupon_upc
)

select * from final

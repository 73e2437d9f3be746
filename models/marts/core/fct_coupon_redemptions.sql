-- grain: one row per coupon redeemed
with redemptions as (
    select * from {{ ref('stg_campaigns__coupon_redemptions') }}
    where not is_deleted
),

campaigns as (
    select * from {{ ref('stg_campaigns__campaigns') }}
),

final as (
    select
        redemptions.redemption_id,
        redemptions.household_id,
        redemptions.coupon_upc,
        redemptions.campaign_id,
        redemptions.redemption_date,
        {{ retail_week_number('redemptions.redemption_date') }} as week_number,
        {{ dbt.datediff('campaigns.start_date', 'redemptions.redemption_date', 'day') }} as days_since_start
    from redemptions
    left join campaigns
        on redemptions.campaign_id = campaigns.campaign_id
)

select * from final

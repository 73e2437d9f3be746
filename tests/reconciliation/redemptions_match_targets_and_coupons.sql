{#
  Every redemption is of a coupon that its campaign offers, by a household that the campaign targets, within the
  campaign's days. True for all 2,102 redemptions of 2017.
  Fails? A redemption was delivered before its target or coupon: the next load of campaigns brings them.
#}
with redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

offered_coupons as (
    select
        campaign_id,
        coupon_upc
    from coupon_products
    group by campaign_id, coupon_upc
),

final as (
    select
        redemptions.redemption_id,
        redemptions.campaign_id,
        redemptions.coupon_upc,
        targets.household_id is null as is_not_targeted,
        offered_coupons.coupon_upc is null as is_not_offered,
        campaigns.campaign_id is null as is_out_of_campaign
    from redemptions
    left join targets
        on
            redemptions.campaign_id = targets.campaign_id
            and redemptions.household_id = targets.household_id
    left join offered_coupons
        on
            redemptions.campaign_id = offered_coupons.campaign_id
            and redemptions.coupon_upc = offered_coupons.coupon_upc
    left join campaigns
        on
            redemptions.campaign_id = campaigns.campaign_id
            and redemptions.redemption_date between campaigns.start_date and campaigns.end_date
    where
        targets.household_id is null
        or offered_coupons.coupon_upc is null
        or campaigns.campaign_id is null
)

select * from final

{#
  Every coupon record, target and redemption of the campaign application is in the marts: coupon records are the bridge
  and the exact repeats; a target is a pair, which the application may have under two ids; redemptions are one to one.
  Fails? A coupon record differs: is_repeat in stg_campaigns__coupons flags what is no repeat. A target or redemption differs:
  a join of the mart drops or multiplies rows.
#}
with coupons as (
    select * from {{ ref('stg_campaigns__coupons') }}
),

campaign_households as (
    select * from {{ ref('stg_campaigns__campaign_households') }}
),

redemptions as (
    select * from {{ ref('stg_campaigns__coupon_redemptions') }}
    where not is_deleted
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

built_redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

-- what the application has deleted counts as long as a redemption refers to it
kept_coupons as (
    select coupons.*
    from coupons
    where
        not coupons.is_deleted
        or exists (
            select 1 from built_redemptions
            where
                built_redemptions.campaign_id = coupons.campaign_id
                and built_redemptions.coupon_upc = coupons.coupon_upc
        )
),

kept_targets as (
    select distinct
        campaign_households.campaign_id,
        campaign_households.household_id
    from campaign_households
    where
        not campaign_households.is_deleted
        or exists (
            select 1 from built_redemptions
            where
                built_redemptions.campaign_id = campaign_households.campaign_id
                and built_redemptions.household_id = campaign_households.household_id
        )
),

counts as (
    select
        'coupon records' as what,
        (select count(*) from kept_coupons) as staged_rows,
        (select count(*) from coupon_products)
        + (select coalesce(sum(case when kept_coupons.is_repeat then 1 else 0 end), 0) from kept_coupons) as built_rows
    union all
    select
        'targets' as what,
        (select count(*) from kept_targets) as staged_rows,
        (select count(*) from targets) as built_rows
    union all
    select
        'redemptions' as what,
        (select count(*) from redemptions) as staged_rows,
        (select count(*) from built_redemptions) as built_rows
),

final as (
    select * from counts
    where staged_rows <> built_rows
)

select * from final

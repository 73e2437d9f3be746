{#
  Every coupon record, target and redemption of the campaign application is in the marts: coupon records are the bridge
  and the exact repeats; targets and redemptions are one to one.
  Fails? A coupon record differs: is_repeat in stg_campaigns__coupons flags what is no repeat. A target differs: the
  application holds a pair under two ids; count it in agg_data_faults before it is grouped away.
#}
with coupons as (
    select * from {{ ref('stg_campaigns__coupons') }}
),

campaign_households as (
    select * from {{ ref('stg_campaigns__campaign_households') }}
),

redemptions as (
    select * from {{ ref('stg_campaigns__coupon_redemptions') }}
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

counts as (
    select
        'coupon records' as what,
        (select count(*) from coupons) as staged_rows,
        (select count(*) from coupon_products)
        + (select coalesce(sum(case when coupons.is_repeat then 1 else 0 end), 0) from coupons) as built_rows
    union all
    select
        'targets' as what,
        (select count(*) from campaign_households) as staged_rows,
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

{#
  agg_household_profile has every household with a card, once, with all baskets, sales, targets and redemptions; the
  hundredths of agg_household_concentration have the same households and sales.
  Fails? Something counts a household twice, or dim_households misses one that bought.
#}
with households as (
    select * from {{ ref('dim_households') }}
),

profiles as (
    select * from {{ ref('agg_household_profile') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

hundredths as (
    select * from {{ ref('agg_household_concentration') }}
),

expected as (
    select
        'households' as figure,
        count(*) as amount
    from households
    union all
    select
        'buyers' as figure,
        count(distinct household_id) as amount
    from baskets
    union all
    select
        'baskets' as figure,
        count(*) as amount
    from baskets
    union all
    select
        'sales_usd' as figure,
        sum(sales_usd) as amount
    from baskets
    union all
    select
        'targets' as figure,
        count(*) as amount
    from targets
    union all
    select
        'redemptions' as figure,
        count(*) as amount
    from redemptions
    union all
    select
        'buyers in hundredths' as figure,
        count(distinct household_id) as amount
    from baskets
    union all
    select
        'sales_usd in hundredths' as figure,
        sum(sales_usd) as amount
    from baskets
),

actual as (
    select
        'households' as figure,
        count(*) as amount
    from profiles
    union all
    select
        'buyers' as figure,
        sum(case when baskets > 0 then 1 else 0 end) as amount
    from profiles
    union all
    select
        'baskets' as figure,
        sum(baskets) as amount
    from profiles
    union all
    select
        'sales_usd' as figure,
        sum(sales_usd) as amount
    from profiles
    union all
    select
        'targets' as figure,
        sum(campaigns_targeted) as amount
    from profiles
    union all
    select
        'redemptions' as figure,
        sum(coupons_redeemed) as amount
    from profiles
    union all
    select
        'buyers in hundredths' as figure,
        sum(households) as amount
    from hundredths
    union all
    select
        'sales_usd in hundredths' as figure,
        sum(sales_usd) as amount
    from hundredths
),

final as (
    {{ totals_agree(expected='expected', actual='actual', by=['figure'], sums=['amount']) }}
)

select * from final

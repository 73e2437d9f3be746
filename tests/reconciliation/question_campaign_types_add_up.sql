{#
  agg_campaign_type_performance counts every target, response and redemption once, and adds up what could be compared.
  Fails? A campaign has a type of its own in one of the marts.
#}
with mart as (
    select * from {{ ref('agg_campaign_type_performance') }}
),

performance as (
    select * from {{ ref('agg_campaign_performance') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

incremental as (
    select * from {{ ref('agg_campaign_incremental_sales') }}
),

expected as (
    select
        count(*) as targets,
        0 as redemptions,
        0 as attributed_coupon_discount_usd,
        0 as incremental_sales_usd
    from targets
    union all
    select
        0 as targets,
        count(*) as redemptions,
        0 as attributed_coupon_discount_usd,
        0 as incremental_sales_usd
    from redemptions
    union all
    select
        0 as targets,
        0 as redemptions,
        coalesce(sum(attributed_coupon_discount_usd), 0) as attributed_coupon_discount_usd,
        0 as incremental_sales_usd
    from performance
    union all
    select
        0 as targets,
        0 as redemptions,
        0 as attributed_coupon_discount_usd,
        coalesce(sum(incremental_sales_usd), 0) as incremental_sales_usd
    from incremental
    where comparison = 'campaign'
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='mart',
        sums=['targets', 'redemptions', 'attributed_coupon_discount_usd', 'incremental_sales_usd']
    ) }}
)

select * from final

{#
  agg_campaign_type_performance counts every target, response and redemption of a known campaign once, and adds up what could be compared.
  Fails? A campaign has a different type in one of the marts.
#}
with mart as (
    select * from {{ ref('agg_campaign_type_performance') }}
),

performance as (
    select * from {{ ref('agg_campaign_performance') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
    where campaign_id in (select performance.campaign_id from performance)
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
    where campaign_id in (select performance.campaign_id from performance)
),

incremental as (
    select * from {{ ref('agg_campaign_incremental_sales') }}
),

expected as (
    {{ totals_of({
        'targets': {'targets': 'count(*)'},
        'redemptions': {'redemptions': 'count(*)'},
        'performance': {'attributed_coupon_discount_usd': 'sum(attributed_coupon_discount_usd)'},
        'incremental': {
            'incremental_sales_usd': "sum(case when comparison = 'campaign' then incremental_sales_usd end)",
        },
    }) }}
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='mart',
        sums=['targets', 'redemptions', 'attributed_coupon_discount_usd', 'incremental_sales_usd']
    ) }}
)

select * from final

{#
  agg_store_performance has every store that sold, once, with all of its baskets and money.
  Fails? Run `dbt build -s agg_store_performance`. Still failing: a basket has two stores, and fct_baskets shows it too.
#}
with mart as (
    select * from {{ ref('agg_store_performance') }}
),

fact as (
    select * from {{ ref('fct_baskets') }}
),

final as (
    {{ totals_agree(
        expected='fact',
        actual='mart',
        by=['store_id'],
        sums=['units', 'sales_usd', 'loyalty_discount_usd', 'coupon_discount_usd', 'coupon_match_discount_usd'],
        also={
            'baskets': ['count(*)', 'sum(baskets)'],
            'households': ['count(distinct household_id)', 'sum(households)'],
        }
    ) }}
)

select * from final

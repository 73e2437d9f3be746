{#
  agg_sales_daily adds up, on every day, to the basket lines: each basket once, all money, and as many stores as sold.
  Fails? Run `dbt build -s agg_sales_daily`. Still failing: a basket has two stores or days, and fct_baskets shows it too.
#}
with mart as (
    select * from {{ ref('agg_sales_daily') }}
),

fact as (
    select * from {{ ref('fct_basket_lines') }}
),

final as (
    {{ totals_agree(
        expected='fact',
        actual='mart',
        by=['business_date'],
        sums=['units', 'sales_usd', 'gift_card_usd', 'loyalty_discount_usd', 'coupon_discount_usd', 'coupon_match_discount_usd'],
        also={
            'lines': ['count(*)', 'sum(lines)'],
            'baskets': ['count(distinct basket_id)', 'sum(baskets)'],
            'stores': ['count(distinct store_id)', 'count(*)'],
        }
    ) }}
)

select * from final

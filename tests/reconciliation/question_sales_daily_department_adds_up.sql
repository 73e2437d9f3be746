{#
  agg_sales_daily_department adds up, for every store and day, to the basket lines: no department or brand class is lost and
  none counted twice.
  Fails? joins_lose_no_line shows whether dim_products misses a product or has one twice.
#}
with mart as (
    select * from {{ ref('agg_sales_daily_department') }}
),

fact as (
    select * from {{ ref('fct_basket_lines') }}
),

final as (
    {{ totals_agree(
        expected='fact',
        actual='mart',
        by=['business_date', 'store_id'],
        sums=[
            'units', 'sales_usd', 'loyalty_discount_usd', 'coupon_discount_usd', 'coupon_match_discount_usd',
            'customer_paid_usd',
        ],
        also={'lines': ['count(*)', 'sum(lines)']}
    ) }}
)

select * from final

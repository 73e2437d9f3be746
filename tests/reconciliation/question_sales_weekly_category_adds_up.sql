{#
  agg_sales_weekly_category adds up, in every week, to the basket lines, and its fuel to the lines sold by volume.
  Fails? joins_lose_no_line shows whether dim_products misses a product or has one twice.
#}
with mart as (
    select * from {{ ref('agg_sales_weekly_category') }}
),

fact as (
    select * from {{ ref('fct_basket_lines') }}
),

final as (
    {{ totals_agree(
        expected='fact',
        actual='mart',
        by=['week_number'],
        sums=[
            'units', 'sales_usd', 'loyalty_discount_usd', 'coupon_discount_usd', 'coupon_match_discount_usd',
            'customer_paid_usd',
        ],
        also={
            'lines': ['count(*)', 'sum(lines)'],
            'fuel_sales_usd': [
                'sum(case when is_volume then sales_usd else 0 end)',
                "sum(case when brand_class = 'Fuel' then sales_usd else 0 end)",
            ],
        }
    ) }}
)

select * from final

{#
  agg_sales_weekly_store adds up, in every week and store, to the basket lines: each basket and household once.
  Fails? A basket with two stores or weeks: fct_baskets shows it too.
#}
with mart as (
    select * from {{ ref('agg_sales_weekly_store') }}
),

fact as (
    select * from {{ ref('fct_basket_lines') }}
),

final as (
    {{ totals_agree(
        expected='fact',
        actual='mart',
        by=['week_number', 'store_id'],
        sums=[
            'units', 'sales_usd', 'loyalty_discount_usd', 'coupon_discount_usd', 'coupon_match_discount_usd',
            'customer_paid_usd',
        ],
        also={
            'lines': ['count(*)', 'sum(lines)'],
            'baskets': ['count(distinct basket_id)', 'sum(baskets)'],
            'households': ['count(distinct household_id)', 'sum(households)'],
        }
    ) }}
)

select * from final

{#
  agg_discounts_weekly_category adds up, in every week, to the basket lines, and what it evaluates to the promoted cases with a
  base: no discount is lost between the two, none is evaluated twice.
  Fails? joins_lose_no_line shows whether dim_products misses a product or has one twice.
#}
with mart as (
    select * from {{ ref('agg_discounts_weekly_category') }}
),

fact as (
    select * from {{ ref('fct_basket_lines') }}
),

cases as (
    select * from {{ ref('agg_promotion_cases_weekly') }}
),

-- A category of which nothing sold at all in the week has no row, and no discount either.
sold_promotions as (
    select *
    from cases
    where is_promoted and lines > 0
),

expected as (
    {{ totals_of(by=['week_number'], relations={
        'fact': {
            'lines': 'count(*)',
            'sales_usd': 'sum(sales_usd)',
            'retailer_discount_usd': 'sum(loyalty_discount_usd + coupon_match_discount_usd)',
            'coupon_discount_usd': 'sum(coupon_discount_usd)',
        },
        'sold_promotions': {
            'promoted_discount_usd': 'sum(loyalty_discount_usd + coupon_match_discount_usd)',
            'judged_units': 'sum(case when expected_units is not null then units else 0 end)',
        },
    }) }}
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='mart',
        by=['week_number'],
        sums=[
            'lines', 'sales_usd', 'retailer_discount_usd', 'coupon_discount_usd', 'promoted_discount_usd', 'judged_units',
        ]
    ) }}
)

select * from final

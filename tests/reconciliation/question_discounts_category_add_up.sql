{#
  agg_discounts_weekly_category adds up, in every week, to the basket lines, and what it judges to the promoted cases with a
  base: no discount is lost between the two, none is judged twice.
  Fails? joins_lose_no_line tells whether dim_products misses a product or has one twice.
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

expected as (
    select
        week_number,
        count(*) as lines,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd + coupon_match_discount_usd) as retailer_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        0 as promoted_discount_usd,
        0 as judged_units
    from fact
    group by week_number
    union all
    select
        week_number,
        0 as lines,
        0 as sales_usd,
        0 as retailer_discount_usd,
        0 as coupon_discount_usd,
        sum(loyalty_discount_usd + coupon_match_discount_usd) as promoted_discount_usd,
        sum(case when expected_units is not null then units else 0 end) as judged_units
    from cases
    where
        is_promoted
        -- A category of which nothing sold at all in the week has no row, and no discount either.
        and lines > 0
    group by week_number
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

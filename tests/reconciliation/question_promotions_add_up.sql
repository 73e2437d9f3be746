{#
  agg_promotion_performance_weekly adds up, in every week, to both of its facts: every basket line has one promotion status,
  every placement is one case, and what was sold while promoted is what an inner join of the two gives.
  Fails? Placements differ: a placement's product is not in dim_products. Lines differ: a line found two placements, and the
  primary key of fct_promotions fails too. Only promoted lines differ: the statuses are told apart wrongly.
#}
with mart as (
    select * from {{ ref('agg_promotion_performance_weekly') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

promotions as (
    select * from {{ ref('fct_promotions') }}
),

promoted_lines as (
    select
        basket_lines.week_number,
        basket_lines.sales_usd,
        promotions.is_displayed,
        promotions.is_mailed
    from basket_lines
    inner join promotions
        on
            basket_lines.product_id = promotions.product_id
            and basket_lines.store_id = promotions.store_id
            and basket_lines.week_number = promotions.week_number
),

expected as (
    select
        week_number,
        count(*) as lines,
        sum(units) as units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd,
        0 as placed_cases,
        0 as displayed_sales_usd,
        0 as mailed_sales_usd
    from basket_lines
    group by week_number
    union all
    select
        week_number,
        0 as lines,
        0 as units,
        0 as sales_usd,
        0 as loyalty_discount_usd,
        0 as coupon_discount_usd,
        0 as coupon_match_discount_usd,
        count(*) as placed_cases,
        0 as displayed_sales_usd,
        0 as mailed_sales_usd
    from promotions
    group by week_number
    union all
    select
        week_number,
        0 as lines,
        0 as units,
        0 as sales_usd,
        0 as loyalty_discount_usd,
        0 as coupon_discount_usd,
        0 as coupon_match_discount_usd,
        0 as placed_cases,
        sum(case when is_displayed then sales_usd else 0 end) as displayed_sales_usd,
        sum(case when is_mailed then sales_usd else 0 end) as mailed_sales_usd
    from promoted_lines
    group by week_number
),

actual as (
    select
        *,
        case when promotion_status in ('displayed and mailed', 'displayed') then sales_usd else 0 end
            as displayed_sales_usd,
        case when promotion_status in ('displayed and mailed', 'mailed') then sales_usd else 0 end
            as mailed_sales_usd
    from mart
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='actual',
        by=['week_number'],
        sums=[
            'lines', 'units', 'sales_usd', 'loyalty_discount_usd', 'coupon_discount_usd', 'coupon_match_discount_usd',
            'placed_cases', 'displayed_sales_usd', 'mailed_sales_usd',
        ]
    ) }}
)

select * from final

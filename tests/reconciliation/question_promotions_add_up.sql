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

of_mart as (
    select
        week_number,
        sum(placed_cases) as placed_cases,
        sum(lines) as lines,
        sum(units) as units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd,
        sum(case when promotion_status in ('displayed and mailed', 'displayed') then sales_usd else 0 end)
            as displayed_sales_usd,
        sum(case when promotion_status in ('displayed and mailed', 'mailed') then sales_usd else 0 end)
            as mailed_sales_usd
    from mart
    group by week_number
),

of_lines as (
    select
        week_number,
        count(*) as lines,
        coalesce(sum(units), 0) as units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd
    from basket_lines
    group by week_number
),

of_promotions as (
    select
        week_number,
        count(*) as placed_cases
    from promotions
    group by week_number
),

of_both as (
    select
        basket_lines.week_number,
        sum(case when promotions.is_displayed then basket_lines.sales_usd else 0 end) as displayed_sales_usd,
        sum(case when promotions.is_mailed then basket_lines.sales_usd else 0 end) as mailed_sales_usd
    from basket_lines
    inner join promotions
        on
            basket_lines.product_id = promotions.product_id
            and basket_lines.store_id = promotions.store_id
            and basket_lines.week_number = promotions.week_number
    group by basket_lines.week_number
),

-- union, not union all: a week with sales, placements or both is judged once.
weeks_seen as (
    select week_number from of_mart
    union
    select week_number from of_lines
    union
    select week_number from of_promotions
),

final as (
    select
        weeks_seen.week_number,
        of_lines.lines,
        of_mart.lines as lines_of_mart,
        of_promotions.placed_cases,
        of_mart.placed_cases as placed_cases_of_mart,
        of_lines.sales_usd,
        of_mart.sales_usd as sales_usd_of_mart,
        of_both.displayed_sales_usd,
        of_mart.displayed_sales_usd as displayed_sales_usd_of_mart
    from weeks_seen
    left join of_mart
        on weeks_seen.week_number = of_mart.week_number
    left join of_lines
        on weeks_seen.week_number = of_lines.week_number
    left join of_promotions
        on weeks_seen.week_number = of_promotions.week_number
    left join of_both
        on weeks_seen.week_number = of_both.week_number
    where
        of_mart.week_number is null
        or of_mart.lines <> coalesce(of_lines.lines, 0)
        or of_mart.units <> coalesce(of_lines.units, 0)
        or of_mart.sales_usd <> coalesce(of_lines.sales_usd, 0)
        or of_mart.loyalty_discount_usd <> coalesce(of_lines.loyalty_discount_usd, 0)
        or of_mart.coupon_discount_usd <> coalesce(of_lines.coupon_discount_usd, 0)
        or of_mart.coupon_match_discount_usd <> coalesce(of_lines.coupon_match_discount_usd, 0)
        or of_mart.placed_cases <> coalesce(of_promotions.placed_cases, 0)
        or of_mart.displayed_sales_usd <> coalesce(of_both.displayed_sales_usd, 0)
        or of_mart.mailed_sales_usd <> coalesce(of_both.mailed_sales_usd, 0)
)

select * from final

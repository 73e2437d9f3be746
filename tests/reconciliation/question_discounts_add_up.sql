{#
  agg_discounts_weekly_department adds up, in every week, to the basket lines: sales, discounts and lines.
  No department is lost, none
  counted twice, and unknown products have theirs.
  Fails? joins_lose_no_line tells whether dim_products misses a product or has one twice.
#}
with mart as (
    select * from {{ ref('agg_discounts_weekly_department') }}
),

fact as (
    select * from {{ ref('fct_basket_lines') }}
),

of_fact as (
    select
        week_number,
        count(*) as lines,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd
    from fact
    group by week_number
),

of_mart as (
    select
        week_number,
        sum(lines) as lines,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd
    from mart
    group by week_number
),

final as (
    select
        coalesce(of_fact.week_number, of_mart.week_number) as week_number,
        of_fact.lines,
        of_mart.lines as lines_of_mart,
        of_fact.sales_usd,
        of_mart.sales_usd as sales_usd_of_mart,
        of_fact.loyalty_discount_usd,
        of_mart.loyalty_discount_usd as loyalty_discount_usd_of_mart,
        of_fact.coupon_discount_usd,
        of_mart.coupon_discount_usd as coupon_discount_usd_of_mart,
        of_fact.coupon_match_discount_usd,
        of_mart.coupon_match_discount_usd as coupon_match_discount_usd_of_mart
    from of_fact
    full outer join of_mart
        on of_fact.week_number = of_mart.week_number
    where
        of_fact.lines is distinct from of_mart.lines
        or of_fact.sales_usd is distinct from of_mart.sales_usd
        or of_fact.loyalty_discount_usd is distinct from of_mart.loyalty_discount_usd
        or of_fact.coupon_discount_usd is distinct from of_mart.coupon_discount_usd
        or of_fact.coupon_match_discount_usd is distinct from of_mart.coupon_match_discount_usd
)

select * from final

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

of_fact as (
    select
        business_date,
        count(*) as lines,
        count(distinct basket_id) as baskets,
        count(distinct store_id) as stores,
        coalesce(sum(units), 0) as units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd
    from fact
    group by business_date
),

of_mart as (
    select
        business_date,
        sum(lines) as lines,
        sum(baskets) as baskets,
        count(*) as stores,
        sum(units) as units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd
    from mart
    group by business_date
),

final as (
    select
        coalesce(of_fact.business_date, of_mart.business_date) as business_date,
        of_fact.lines,
        of_mart.lines as lines_of_mart,
        of_fact.baskets,
        of_mart.baskets as baskets_of_mart,
        of_fact.stores,
        of_mart.stores as stores_of_mart,
        of_fact.units,
        of_mart.units as units_of_mart,
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
        on of_fact.business_date = of_mart.business_date
    where
        of_fact.lines is distinct from of_mart.lines
        or of_fact.baskets is distinct from of_mart.baskets
        or of_fact.stores is distinct from of_mart.stores
        or of_fact.units is distinct from of_mart.units
        or of_fact.sales_usd is distinct from of_mart.sales_usd
        or of_fact.loyalty_discount_usd is distinct from of_mart.loyalty_discount_usd
        or of_fact.coupon_discount_usd is distinct from of_mart.coupon_discount_usd
        or of_fact.coupon_match_discount_usd is distinct from of_mart.coupon_match_discount_usd
)

select * from final

{#
  agg_household_value has every household that bought, once, with all of its baskets and money.
  Fails? Run `dbt build -s agg_household_value`. Still failing: joins_lose_no_line tells whether dim_products misses a product.
#}
with mart as (
    select * from {{ ref('agg_household_value') }}
),

fact as (
    select * from {{ ref('fct_baskets') }}
),

of_fact as (
    select
        household_id,
        count(*) as baskets,
        sum(units) as units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd,
        max(business_date) as last_purchase_date
    from fact
    group by household_id
),

of_mart as (
    select
        household_id,
        sum(baskets) as baskets,
        sum(units) as units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd,
        max(last_purchase_date) as last_purchase_date
    from mart
    group by household_id
),

final as (
    select
        coalesce(of_fact.household_id, of_mart.household_id) as household_id,
        of_fact.baskets,
        of_mart.baskets as baskets_of_mart,
        of_fact.units,
        of_mart.units as units_of_mart,
        of_fact.sales_usd,
        of_mart.sales_usd as sales_usd_of_mart,
        of_fact.loyalty_discount_usd,
        of_mart.loyalty_discount_usd as loyalty_discount_usd_of_mart,
        of_fact.coupon_discount_usd,
        of_mart.coupon_discount_usd as coupon_discount_usd_of_mart,
        of_fact.coupon_match_discount_usd,
        of_mart.coupon_match_discount_usd as coupon_match_discount_usd_of_mart,
        of_fact.last_purchase_date,
        of_mart.last_purchase_date as last_purchase_date_of_mart
    from of_fact
    full outer join of_mart
        on of_fact.household_id = of_mart.household_id
    where
        of_fact.baskets is distinct from of_mart.baskets
        or of_fact.units is distinct from of_mart.units
        or of_fact.sales_usd is distinct from of_mart.sales_usd
        or of_fact.loyalty_discount_usd is distinct from of_mart.loyalty_discount_usd
        or of_fact.coupon_discount_usd is distinct from of_mart.coupon_discount_usd
        or of_fact.coupon_match_discount_usd is distinct from of_mart.coupon_match_discount_usd
        or of_fact.last_purchase_date is distinct from of_mart.last_purchase_date
)

select * from final

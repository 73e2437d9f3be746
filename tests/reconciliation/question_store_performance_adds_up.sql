{#
  agg_store_performance has every store that sold, once, with all of its baskets and money.
  Fails? Run `dbt build -s agg_store_performance`. Still failing: a basket has two stores, and fct_baskets shows it too.
#}
with mart as (
    select * from {{ ref('agg_store_performance') }}
),

fact as (
    select * from {{ ref('fct_baskets') }}
),

of_fact as (
    select
        store_id,
        count(*) as baskets,
        count(distinct household_id) as households,
        sum(units) as units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd
    from fact
    group by store_id
),

of_mart as (
    select
        store_id,
        sum(baskets) as baskets,
        sum(households) as households,
        sum(units) as units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd
    from mart
    group by store_id
),

final as (
    select
        coalesce(of_fact.store_id, of_mart.store_id) as store_id,
        of_fact.baskets,
        of_mart.baskets as baskets_of_mart,
        of_fact.households,
        of_mart.households as households_of_mart,
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
        on of_fact.store_id = of_mart.store_id
    where
        of_fact.baskets is distinct from of_mart.baskets
        or of_fact.households is distinct from of_mart.households
        or of_fact.units is distinct from of_mart.units
        or of_fact.sales_usd is distinct from of_mart.sales_usd
        or of_fact.loyalty_discount_usd is distinct from of_mart.loyalty_discount_usd
        or of_fact.coupon_discount_usd is distinct from of_mart.coupon_discount_usd
        or of_fact.coupon_match_discount_usd is distinct from of_mart.coupon_match_discount_usd
)

select * from final

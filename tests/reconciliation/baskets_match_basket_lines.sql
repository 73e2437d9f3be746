{#
  fct_baskets adds up to fct_basket_lines on every day.
  Fails? fct_baskets is built from the lines whole: run `dbt build -s fct_baskets`. Still failing: a basket has two
  households, stores or times, and its primary key test fails too.
#}
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

from_lines as (
    select
        business_date,
        count(*) as lines,
        -- distinct: a basket has many lines
        count(distinct basket_id) as baskets,
        coalesce(sum(units), 0) as units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd,
        sum(customer_paid_usd) as customer_paid_usd
    from basket_lines
    group by business_date
),

from_baskets as (
    select
        business_date,
        sum(lines) as lines,
        count(*) as baskets,
        sum(units) as units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd,
        sum(customer_paid_usd) as customer_paid_usd
    from baskets
    group by business_date
),

final as (
    select
        coalesce(from_lines.business_date, from_baskets.business_date) as business_date,
        from_lines.lines,
        from_baskets.lines as lines_of_baskets,
        from_lines.sales_usd,
        from_baskets.sales_usd as sales_usd_of_baskets
    from from_lines
    full outer join from_baskets
        on from_lines.business_date = from_baskets.business_date
    where
        from_lines.lines is distinct from from_baskets.lines
        or from_lines.baskets is distinct from from_baskets.baskets
        or from_lines.units is distinct from from_baskets.units
        or from_lines.sales_usd is distinct from from_baskets.sales_usd
        or from_lines.loyalty_discount_usd is distinct from from_baskets.loyalty_discount_usd
        or from_lines.coupon_discount_usd is distinct from from_baskets.coupon_discount_usd
        or from_lines.coupon_match_discount_usd is distinct from from_baskets.coupon_match_discount_usd
        or from_lines.customer_paid_usd is distinct from from_baskets.customer_paid_usd
)

select * from final

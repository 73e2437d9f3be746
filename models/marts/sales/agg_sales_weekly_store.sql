-- grain: one row per retailer week and store with sales
with baskets as (
    select * from {{ ref('fct_baskets') }}
),

weekly as (
    select
        week_number,
        store_id,
        -- distinct: a day has many baskets, a household may come many times a week
        count(distinct business_date) as selling_days,
        count(distinct household_id) as households,
        count(*) as baskets,
        sum(lines) as lines,
        sum(units) as units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd,
        sum(customer_paid_usd) as customer_paid_usd
    from baskets
    group by week_number, store_id
),

final as (
    select
        week_number,
        store_id,
        selling_days,
        households,
        baskets,
        cast(lines as bigint) as lines,
        cast(units as bigint) as units,
        cast(sales_usd as decimal(18, 2)) as sales_usd,
        {{ money_per_unit('sales_usd', 'baskets') }} as basket_value_usd,
        cast(loyalty_discount_usd as decimal(18, 2)) as loyalty_discount_usd,
        cast(coupon_discount_usd as decimal(18, 2)) as coupon_discount_usd,
        cast(coupon_match_discount_usd as decimal(18, 2)) as coupon_match_discount_usd,
        cast(customer_paid_usd as decimal(18, 2)) as customer_paid_usd
    from weekly
)

select * from final

-- grain: one row per business date and store with sales
with daily as (
    select * from {{ ref('agg_sales_daily', v=2) }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

shoppers as (
    select
        business_date,
        store_id,
        -- distinct: a household may come twice a day
        count(distinct household_id) as households
    from baskets
    group by business_date, store_id
),

final as (
    select
        daily.business_date,
        daily.store_id,
        daily.week_number,
        daily.baskets,
        shoppers.households,
        daily.lines,
        daily.units,
        daily.sales_usd,
        daily.loyalty_discount_usd,
        daily.coupon_discount_usd,
        daily.coupon_match_discount_usd,
        daily.customer_paid_usd
    from daily
    inner join shoppers
        on
            daily.business_date = shoppers.business_date
            and daily.store_id = shoppers.store_id
)

select * from final

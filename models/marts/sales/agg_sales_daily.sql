-- grain: one row per business date and store with sales
with baskets as (
    select * from {{ ref('fct_baskets') }}
),

final as (
    select
        business_date,
        store_id,
        week_number,
        count(*) as baskets,
        cast(sum(lines) as bigint) as lines,
        cast(sum(units) as bigint) as units,
        cast(sum(sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(gift_card_usd) as decimal(18, 2)) as gift_card_usd,
        cast(sum(loyalty_discount_usd) as decimal(18, 2)) as loyalty_discount_usd,
        cast(sum(coupon_discount_usd) as decimal(18, 2)) as coupon_discount_usd,
        cast(sum(coupon_match_discount_usd) as decimal(18, 2)) as coupon_match_discount_usd,
        cast(sum(customer_paid_usd) as decimal(18, 2)) as customer_paid_usd
    from baskets
    group by business_date, store_id, week_number
)

select * from final

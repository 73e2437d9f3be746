-- grain: one row per basket
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
    {% if is_incremental() %}
        where business_date in {{ missing_partitions(ref('agg_sales_days'), 'business_date') }}
    {% endif %}
),

final as (
    -- A basket has one household, store and instant: the keys are grouped with it, so a basket with two would show as a
    -- repeated primary key and not be blurred by max().
    select
        basket_id,
        household_id,
        store_id,
        sold_at,
        business_date,
        week_number,
        count(*) as lines,
        count(distinct product_id) as products,
        cast(coalesce(sum(units), 0) as bigint) as units,
        cast(sum(sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(gift_card_usd) as decimal(18, 2)) as gift_card_usd,
        cast(sum(loyalty_discount_usd) as decimal(18, 2)) as loyalty_discount_usd,
        cast(sum(coupon_discount_usd) as decimal(18, 2)) as coupon_discount_usd,
        cast(sum(coupon_match_discount_usd) as decimal(18, 2)) as coupon_match_discount_usd,
        cast(sum(customer_paid_usd) as decimal(18, 2)) as customer_paid_usd
    from basket_lines
    group by basket_id, household_id, store_id, sold_at, business_date, week_number
)

select * from final

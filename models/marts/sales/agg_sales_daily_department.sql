-- grain: one row per business date, store, department and brand class with sales
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
    {% if is_incremental() %}
        where business_date in {{ missing_partitions(ref('agg_sales_days'), 'business_date') }}
    {% endif %}
),

products as (
    select * from {{ ref('dim_products') }}
),

final as (
    select
        basket_lines.business_date,
        basket_lines.store_id,
        products.department,
        products.brand_class,
        basket_lines.week_number,
        count(*) as lines,
        cast(coalesce(sum(basket_lines.units), 0) as bigint) as units,
        cast(sum(basket_lines.sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(basket_lines.loyalty_discount_usd) as decimal(18, 2)) as loyalty_discount_usd,
        cast(sum(basket_lines.coupon_discount_usd) as decimal(18, 2)) as coupon_discount_usd,
        cast(sum(basket_lines.coupon_match_discount_usd) as decimal(18, 2)) as coupon_match_discount_usd,
        cast(sum(basket_lines.customer_paid_usd) as decimal(18, 2)) as customer_paid_usd
    from basket_lines
    inner join products
        on basket_lines.product_id = products.product_id
    group by
        basket_lines.business_date,
        basket_lines.store_id,
        products.department,
        products.brand_class,
        basket_lines.week_number
)

select * from final

-- grain: one row per basket and product
with transactions as (
    select * from {{ ref('stg_pos__transactions') }}
),

products as (
    select * from {{ ref('int_products_classified') }}
),

final as (
    select
        transactions.basket_id,
        transactions.product_id,
        transactions.household_id,
        transactions.store_id,
        transactions.sold_at,
        transactions.business_date,
        transactions.week_number,
        transactions.quantity,
        case when not coalesce(products.is_volume, false) then transactions.quantity end as units,
        coalesce(products.is_volume, false) as is_volume,
        transactions.sales_usd,
        transactions.loyalty_discount_usd,
        transactions.coupon_discount_usd,
        transactions.coupon_match_discount_usd,
        transactions.sales_usd - transactions.coupon_discount_usd as customer_paid_usd,
        {{ money_per_unit(
            'transactions.sales_usd + transactions.loyalty_discount_usd + transactions.coupon_match_discount_usd',
            'transactions.quantity'
        ) }} as regular_price_usd,
        {{ money_per_unit(
            'transactions.sales_usd + transactions.coupon_match_discount_usd',
            'transactions.quantity'
        ) }} as loyalty_price_usd,
        transactions.has_zero_quantity,
        transactions.has_coupon_above_sales,
        products.product_id is null as has_unknown_product,
        transactions.is_in_file as is_settled,
        transactions.load_id
    from transactions
    left join products
        on transactions.product_id = products.product_id
)

select * from final

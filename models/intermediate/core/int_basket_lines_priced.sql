-- grain: one row per basket and product
with transactions as (
    select * from {{ ref('stg_pos__transactions') }}
),

products as (
    select * from {{ ref('int_products_classified') }}
),

judged as (
    select
        transactions.*,
        products.product_id is null as has_unknown_product,
        coalesce(products.is_volume, false) as is_volume,
        not coalesce(products.is_volume, false)
        and transactions.quantity > {{ var('implausible_quantity_above') }} as has_implausible_quantity
    from transactions
    left join products
        on transactions.product_id = products.product_id
),

final as (
    select
        basket_id,
        receipt_number,
        product_id,
        household_id,
        store_id,
        sold_at,
        business_date,
        week_number,
        quantity,
        case when not (is_volume or has_implausible_quantity) then quantity end as units,
        is_volume,
        sales_usd,
        loyalty_discount_usd,
        coupon_discount_usd,
        coupon_match_discount_usd,
        sales_usd - coupon_discount_usd as customer_paid_usd,
        case
            when not has_implausible_quantity
                then {{ money_per_unit('sales_usd + loyalty_discount_usd + coupon_match_discount_usd', 'quantity') }}
        end as regular_price_usd,
        case
            when not has_implausible_quantity
                then {{ money_per_unit('sales_usd + coupon_match_discount_usd', 'quantity') }}
        end as loyalty_price_usd,
        has_zero_quantity,
        has_implausible_quantity,
        has_coupon_above_sales,
        has_used_number,
        has_unknown_product,
        is_in_file as is_settled
    from judged
)

select * from final

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
        case
            when products.sold_as = 'gift_card' then 'gift_card'
            when transactions.quantity = 0 then 'no_quantity'
            when products.is_volume then 'volume'
            else 'item'
        end as line_kind,
        cast(case when products.sold_as = 'gift_card' then 0 else transactions.sales_usd end as decimal(18, 2))
            as net_sales_usd,
        case
            when products.is_volume
                then transactions.quantity > 0 and transactions.quantity < coalesce(products.least_quantity, 0)
            else transactions.quantity > {{ var('implausible_quantity_above') }}
        end as has_implausible_quantity
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
        line_kind,
        case when not (is_volume or line_kind = 'gift_card' or has_implausible_quantity) then quantity end as units,
        is_volume,
        net_sales_usd as sales_usd,
        sales_usd - net_sales_usd as gift_card_usd,
        loyalty_discount_usd,
        coupon_discount_usd,
        coupon_match_discount_usd,
        net_sales_usd - coupon_discount_usd as customer_paid_usd,
        case
            when not (line_kind = 'gift_card' or has_implausible_quantity)
                then {{ money_per_unit(
                    'net_sales_usd + loyalty_discount_usd + coupon_match_discount_usd', 'quantity'
                ) }}
        end as regular_price_usd,
        case
            when not (line_kind = 'gift_card' or has_implausible_quantity)
                then {{ money_per_unit('net_sales_usd + coupon_match_discount_usd', 'quantity') }}
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

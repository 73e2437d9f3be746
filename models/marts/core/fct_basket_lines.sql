-- grain: one row per basket and product
with basket_lines as (
    select * from {{ ref('int_basket_lines_priced') }}
),

products as (
    select * from {{ ref('int_products_classified') }}
),

{% if is_incremental() %}
    built_lines as (
        select * from {{ this }}
    ),

    new_lines as (
        select
            basket_id,
            product_id,
            business_date
        from basket_lines
        where load_id in {{ unbuilt_loads('pos', 'pos_stream') }}
    ),

    -- The days to build again, each from all its completed loads. union: a day counts once.
    affected_days as (
        select business_date from new_lines
        union
        -- a line delivered again with another time may have left a day
        select built_lines.business_date
        from built_lines
        inner join new_lines
            on
                built_lines.basket_id = new_lines.basket_id
                and built_lines.product_id = new_lines.product_id
        union
        -- a product, or its type, may reach the master after it was sold: the mart must not depend on which came first
        select built_lines.business_date
        from built_lines
        left join products
            on built_lines.product_id = products.product_id
        where
            built_lines.has_unknown_product <> (products.product_id is null)
            or built_lines.is_volume <> coalesce(products.is_volume, false)
    ),
{% endif %}

final as (
    select
        basket_id,
        product_id,
        household_id,
        store_id,
        sold_at,
        business_date,
        week_number,
        quantity,
        units,
        is_volume,
        sales_usd,
        loyalty_discount_usd,
        coupon_discount_usd,
        coupon_match_discount_usd,
        customer_paid_usd,
        regular_price_usd,
        loyalty_price_usd,
        has_zero_quantity,
        has_coupon_above_sales,
        has_unknown_product,
        is_settled
    from basket_lines
    {% if is_incremental() %}
        where business_date in (select affected_days.business_date from affected_days)
    {% endif %}
)

select * from final

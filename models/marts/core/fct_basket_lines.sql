-- grain: one row per basket and product
with basket_lines as (
    select * from {{ ref('int_basket_lines_priced') }}
),

{% if is_incremental() %}
    -- Days to build again have been deleted by now: a day is there as a whole, or not at all.
    built_days as (
        select business_date
        from {{ this }}
        group by business_date
    ),
{% endif %}

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
        units,
        is_volume,
        sales_usd,
        gift_card_usd,
        loyalty_discount_usd,
        coupon_discount_usd,
        coupon_match_discount_usd,
        customer_paid_usd,
        regular_price_usd,
        loyalty_price_usd,
        has_zero_quantity,
        has_implausible_quantity,
        has_coupon_above_sales,
        has_used_number,
        has_unknown_product,
        is_settled
    from basket_lines
    {% if is_incremental() %}
        where business_date not in (select built_days.business_date from built_days)
    {% endif %}
)

select * from final

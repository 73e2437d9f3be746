-- grain: one row per business date with sales
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

classified as (
    select
        product_id,
        {{ fingerprint_of_rows([
            'manufacturer_id', 'department', 'brand', 'brand_class', 'product_category', 'product_type', 'is_volume'
        ]) }} as fingerprint
    from products
    group by product_id
),

-- Whether the file of a till has settled a line is left out: no figure depends on it.
final as (
    select
        basket_lines.business_date,
        basket_lines.week_number,
        count(*) as lines,
        {{ fingerprint_of_rows([
            'basket_lines.basket_id', 'basket_lines.product_id', 'basket_lines.household_id', 'basket_lines.store_id',
            'basket_lines.sold_at', 'basket_lines.business_date', 'basket_lines.week_number', 'basket_lines.quantity',
            'basket_lines.units', 'basket_lines.is_volume', 'basket_lines.line_kind', 'basket_lines.sales_usd',
            'basket_lines.gift_card_usd', 'basket_lines.loyalty_discount_usd', 'basket_lines.coupon_discount_usd',
            'basket_lines.coupon_match_discount_usd', 'classified.fingerprint'
        ]) }} as fingerprint
    from basket_lines
    left join classified
        on basket_lines.product_id = classified.product_id
    group by basket_lines.business_date, basket_lines.week_number
)

select * from final

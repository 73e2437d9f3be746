-- grain: one row per household that has bought
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

-- The last delivered day, never today: the same data give the same figures whenever they are built.
last_delivery as (
    select max(business_date) as as_of_date
    from basket_lines
),

purchases as (
    select
        basket_lines.household_id,
        min(basket_lines.business_date) as first_purchase_date,
        max(basket_lines.business_date) as last_purchase_date,
        -- distinct: a basket has many lines, a day and a week many baskets
        count(distinct basket_lines.basket_id) as baskets,
        count(distinct basket_lines.business_date) as shopping_days,
        count(distinct basket_lines.week_number) as shopping_weeks,
        count(distinct basket_lines.store_id) as stores,
        cast(coalesce(sum(basket_lines.units), 0) as bigint) as units,
        cast(sum(basket_lines.sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(basket_lines.loyalty_discount_usd) as decimal(18, 2)) as loyalty_discount_usd,
        cast(sum(basket_lines.coupon_discount_usd) as decimal(18, 2)) as coupon_discount_usd,
        cast(sum(basket_lines.coupon_match_discount_usd) as decimal(18, 2)) as coupon_match_discount_usd,
        cast(
            sum(case when basket_lines.is_volume then basket_lines.sales_usd else 0 end) as decimal(18, 2)
        ) as fuel_sales_usd,
        -- The master calls fuel a private brand: a tank of petrol is no taste for private label.
        cast(
            sum(
                case
                    when products.brand = 'Private' and not basket_lines.is_volume then basket_lines.sales_usd
                    else 0
                end
            ) as decimal(18, 2)
        ) as private_label_sales_usd
    from basket_lines
    inner join products
        on basket_lines.product_id = products.product_id
    group by basket_lines.household_id
),

final as (
    select
        purchases.household_id,
        last_delivery.as_of_date,
        purchases.first_purchase_date,
        purchases.last_purchase_date,
        cast(
            {{ dbt.datediff('purchases.last_purchase_date', 'last_delivery.as_of_date', 'day') }} as integer
        ) as recency_days,
        purchases.baskets,
        purchases.shopping_days,
        purchases.shopping_weeks,
        purchases.stores,
        purchases.units,
        purchases.sales_usd,
        {{ money_per_unit('purchases.sales_usd', 'purchases.baskets') }} as basket_value_usd,
        purchases.loyalty_discount_usd,
        purchases.coupon_discount_usd,
        purchases.coupon_match_discount_usd,
        purchases.fuel_sales_usd,
        purchases.private_label_sales_usd,
        {{ ratio('purchases.private_label_sales_usd', 'purchases.sales_usd - purchases.fuel_sales_usd') }}
            as private_label_share,
        -- Equal sales are told apart by the id, so that a household stays in its tenth from build to build.
        cast(ntile(10) over (order by purchases.sales_usd desc, purchases.household_id asc) as integer) as value_decile
    from purchases
    cross join last_delivery
)

select * from final

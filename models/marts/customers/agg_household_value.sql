-- grain: one row per household that has bought
with baskets as (
    select * from {{ ref('fct_baskets') }}
),

basket_anatomy as (
    select * from {{ ref('fct_basket_anatomy') }}
),

-- The last delivered day, never today: the same data give the same figures whenever they are built.
last_delivery as (
    select max(business_date) as as_of_date
    from baskets
),

purchases as (
    select
        baskets.household_id,
        min(baskets.business_date) as first_purchase_date,
        max(baskets.business_date) as last_purchase_date,
        count(*) as baskets,
        -- distinct: a day and a week have many baskets
        count(distinct baskets.business_date) as shopping_days,
        count(distinct baskets.week_number) as shopping_weeks,
        count(distinct baskets.store_id) as stores,
        cast(sum(baskets.units) as bigint) as units,
        cast(sum(baskets.sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(baskets.loyalty_discount_usd) as decimal(18, 2)) as loyalty_discount_usd,
        cast(sum(baskets.coupon_discount_usd) as decimal(18, 2)) as coupon_discount_usd,
        cast(sum(baskets.coupon_match_discount_usd) as decimal(18, 2)) as coupon_match_discount_usd,
        cast(sum(basket_anatomy.fuel_sales_usd) as decimal(18, 2)) as fuel_sales_usd,
        cast(sum(basket_anatomy.private_label_sales_usd) as decimal(18, 2)) as private_label_sales_usd
    from baskets
    inner join basket_anatomy
        on baskets.basket_id = basket_anatomy.basket_id
    group by baskets.household_id
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
        -- Equal sales are ordered by the id, so that a household stays in its tenth from build to build.
        cast(ntile(10) over (order by purchases.sales_usd desc, purchases.household_id asc) as integer) as value_decile
    from purchases
    cross join last_delivery
)

select * from final

-- grain: one row per store with sales
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

delivered_weeks as (
    -- distinct: a week has many lines
    select count(distinct week_number) as weeks_delivered
    from basket_lines
),

stores as (
    select
        store_id,
        min(business_date) as first_sale_date,
        max(business_date) as last_sale_date,
        -- distinct: a basket, a household, a day and a week have many lines
        count(distinct week_number) as weeks_with_sales,
        count(distinct basket_id) as baskets,
        count(distinct household_id) as households,
        cast(coalesce(sum(units), 0) as bigint) as units,
        cast(sum(sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(case when is_volume then sales_usd else 0 end) as decimal(18, 2)) as fuel_sales_usd,
        cast(sum(loyalty_discount_usd) as decimal(18, 2)) as loyalty_discount_usd,
        cast(sum(coupon_discount_usd) as decimal(18, 2)) as coupon_discount_usd,
        cast(sum(coupon_match_discount_usd) as decimal(18, 2)) as coupon_match_discount_usd
    from basket_lines
    group by store_id
),

compared as (
    select
        stores.*,
        delivered_weeks.weeks_delivered,
        -- In whole numbers: at least nine of ten weeks.
        10 * stores.weeks_with_sales >= 9 * delivered_weeks.weeks_delivered as is_comparable,
        {{ money_per_unit('stores.sales_usd - stores.fuel_sales_usd', 'stores.weeks_with_sales') }}
            as shop_sales_per_week_usd,
        {{ money_per_unit('stores.sales_usd - stores.fuel_sales_usd', 'stores.households') }}
            as shop_sales_per_household_usd
    from stores
    cross join delivered_weeks
),

-- What people came for: a few things on the way home, or the week's shopping. Fuel is no line of a shop.
shop_baskets as (
    select
        basket_lines.store_id,
        basket_lines.basket_id,
        case
            when count(*) <= 2 then 1
            when count(*) <= 5 then 2
            when count(*) <= 10 then 3
            when count(*) <= 20 then 4
            else 5
        end as size_class,
        sum(basket_lines.sales_usd) as sales_usd
    from basket_lines
    inner join compared
        on basket_lines.store_id = compared.store_id
    where
        compared.is_comparable
        and basket_lines.line_kind in ('item', 'no_quantity')
    group by basket_lines.store_id, basket_lines.basket_id
),

size_classes as (
    select
        size_class,
        {{ ratio('sum(sales_usd)', 'count(*)', 12) }} as basket_value_usd
    from shop_baskets
    group by size_class
),

mixes as (
    select
        shop_baskets.store_id,
        sum(size_classes.basket_value_usd) as mix_expected_sales_usd
    from shop_baskets
    inner join size_classes
        on shop_baskets.size_class = size_classes.size_class
    group by shop_baskets.store_id
),

indexed as (
    select
        compared.*,
        mixes.mix_expected_sales_usd,
        {{ ratio('compared.sales_usd - compared.fuel_sales_usd', 'mixes.mix_expected_sales_usd') }} as mix_index
    from compared
    left join mixes
        on compared.store_id = mixes.store_id
),

final as (
    select
        store_id,
        first_sale_date,
        last_sale_date,
        weeks_delivered,
        weeks_with_sales,
        is_comparable,
        baskets,
        households,
        units,
        sales_usd,
        fuel_sales_usd,
        {{ money_per_unit('sales_usd', 'baskets') }} as basket_value_usd,
        shop_sales_per_week_usd,
        {{ rank_among_comparable('shop_sales_per_week_usd') }} as shop_sales_rank,
        shop_sales_per_household_usd,
        {{ rank_among_comparable('shop_sales_per_household_usd') }} as household_sales_rank,
        cast(mix_expected_sales_usd as decimal(18, 2)) as mix_expected_sales_usd,
        mix_index,
        {{ rank_among_comparable('mix_index') }} as mix_rank,
        loyalty_discount_usd,
        coupon_discount_usd,
        coupon_match_discount_usd,
        {{ ratio(
            'loyalty_discount_usd + coupon_match_discount_usd',
            'sales_usd + loyalty_discount_usd + coupon_match_discount_usd'
        ) }} as discount_rate
    from indexed
)

select * from final

-- grain: one row per basket
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
    {% if is_incremental() %}
        where business_date in {{ missing_partitions(ref('agg_sales_days'), 'business_date') }}
    {% endif %}
),

products as (
    select * from {{ ref('dim_products') }}
),

described as (
    select
        basket_lines.*,
        products.department,
        products.brand_class
    from basket_lines
    inner join products
        on basket_lines.product_id = products.product_id
),

baskets as (
    select
        basket_id,
        household_id,
        store_id,
        business_date,
        week_number,
        count(*) as lines,
        -- A product comes once in a basket: its lines with items are its products.
        sum(case when units > 0 then 1 else 0 end) as products_with_items,
        count(distinct case when units > 0 then department end) as departments_with_items,
        sum(case when is_volume then 1 else 0 end) as fuel_lines,
        coalesce(sum(units), 0) as units,
        sum(sales_usd) as sales_usd,
        sum(case when brand_class = 'Fuel' then sales_usd else 0 end) as fuel_sales_usd,
        sum(case when brand_class = 'Private label' then sales_usd else 0 end) as private_label_sales_usd
    from described
    group by basket_id, household_id, store_id, business_date, week_number
),

final as (
    select
        basket_id,
        household_id,
        store_id,
        business_date,
        week_number,
        {{ basket_mission('units', 'products_with_items', 'fuel_lines') }} as mission,
        {{ band_start('units', [1, 2, 5, 10, 20, 40]) }} as units_band_from,
        {{ band_start('sales_usd', [5, 10, 20, 50, 100]) }} as value_band_from,
        lines,
        cast(products_with_items as bigint) as products_with_items,
        departments_with_items,
        cast(units as bigint) as units,
        cast(sales_usd as decimal(18, 2)) as sales_usd,
        cast(fuel_sales_usd as decimal(18, 2)) as fuel_sales_usd,
        cast(private_label_sales_usd as decimal(18, 2)) as private_label_sales_usd
    from baskets
)

select * from final

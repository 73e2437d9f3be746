-- grain: one row per product category with sales by the item
with assortment as (
    select * from {{ ref('agg_assortment_products') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

-- A type is represented by the lowest of its products: millions of rows then carry a number and not two names.
typed as (
    select
        product_id,
        product_category,
        assortment_status,
        min(product_id) over (partition by product_category, product_type) as type_id
    from assortment
),

-- A household that bought only products of a type that could go loses the type if all of them go at once.
lost_types as (
    select
        basket_lines.household_id,
        typed.type_id,
        sum(case when typed.assortment_status = 'could go' then basket_lines.sales_usd else 0 end) as sales_usd
    from basket_lines
    inner join typed
        on basket_lines.product_id = typed.product_id
    where basket_lines.line_kind = 'item'
    group by basket_lines.household_id, typed.type_id
    having
        sum(case when typed.assortment_status in ('core', 'new') then 1 else 0 end) = 0
        and sum(case when typed.assortment_status = 'could go' then 1 else 0 end) > 0
),

bought as (
    select
        typed.product_category,
        -- distinct: a household may buy many products
        count(distinct basket_lines.household_id) as households
    from basket_lines
    inner join typed
        on basket_lines.product_id = typed.product_id
    where basket_lines.line_kind = 'item'
    group by typed.product_category
),

lost as (
    select
        typed.product_category,
        -- distinct: a household may lose several types
        count(distinct lost_types.household_id) as lost_households,
        cast(sum(lost_types.sales_usd) as decimal(18, 2)) as lost_sales_usd
    from lost_types
    inner join typed
        on lost_types.type_id = typed.product_id
    group by typed.product_category
),

counted as (
    select
        product_category,
        count(*) as products,
        cast(sum(sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(case when assortment_status = 'core' then 1 else 0 end) as bigint) as core_products,
        cast(sum(case when assortment_status = 'new' then 1 else 0 end) as bigint) as new_products,
        cast(sum(case when assortment_status = 'gone' then 1 else 0 end) as bigint) as gone_products,
        cast(sum(case when assortment_status = 'could go' then 1 else 0 end) as bigint) as could_go_products,
        cast(sum(case when assortment_status = 'could go' then sales_usd else 0 end) as decimal(18, 2))
            as could_go_sales_usd,
        -- The product that reaches a share is the first whose cumulative share is not below it.
        min(case when cumulative_category_share >= 0.5 then category_rank end) as products_for_half,
        min(case when cumulative_category_share >= 0.8 then category_rank end) as products_for_four_fifths
    from assortment
    group by product_category
),

final as (
    select
        counted.product_category,
        coalesce(bought.households, 0) as households,
        counted.products,
        counted.sales_usd,
        counted.products_for_half,
        counted.products_for_four_fifths,
        counted.core_products,
        counted.new_products,
        counted.gone_products,
        counted.could_go_products,
        counted.could_go_sales_usd,
        {{ ratio('counted.could_go_sales_usd', 'counted.sales_usd') }} as could_go_sales_share,
        coalesce(lost.lost_households, 0) as lost_households,
        coalesce(lost.lost_sales_usd, 0) as lost_sales_usd
    from counted
    left join bought
        on counted.product_category = bought.product_category
    left join lost
        on counted.product_category = lost.product_category
)

select * from final

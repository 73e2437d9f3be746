-- grain: one row per product sold by the item
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

delivered as (
    select max(business_date) as last_date
    from baskets
),

-- What a household has been seen to take instead: another product of the same type. No other data show what replaces
-- what. A type is represented by the lowest of its products: millions of rows then carry a number and not two names.
types as (
    select
        product_id,
        min(product_id) over (partition by product_category, product_type) as type_id
    from products
),

-- A product is on one line of a basket: its lines are its baskets, and no basket counts twice for it.
bought as (
    select
        basket_lines.household_id,
        basket_lines.product_id,
        types.type_id,
        count(*) as lines,
        coalesce(sum(basket_lines.units), 0) as units,
        sum(basket_lines.sales_usd) as sales_usd,
        min(basket_lines.business_date) as first_date,
        max(basket_lines.business_date) as last_date,
        sum(baskets.sales_usd) as basket_sales_usd
    from basket_lines
    inner join types
        on basket_lines.product_id = types.product_id
    inner join baskets
        on basket_lines.basket_id = baskets.basket_id
    where basket_lines.line_kind = 'item'
    group by basket_lines.household_id, basket_lines.product_id, types.type_id
),

bought_alone as (
    select
        *,
        count(*) over (partition by household_id, type_id) = 1 as is_sole
    from bought
),

sold as (
    select
        product_id,
        min(first_date) as first_sale_date,
        max(last_date) as last_sale_date,
        count(*) as households,
        cast(sum(lines) as bigint) as lines,
        cast(sum(units) as bigint) as units,
        cast(sum(sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(case when is_sole then 1 else 0 end) as bigint) as sole_households,
        cast(sum(case when is_sole then sales_usd else 0 end) as decimal(18, 2)) as sole_sales_usd,
        cast(sum(case when is_sole then lines else 0 end) as bigint) as sole_baskets,
        cast(sum(case when is_sole then basket_sales_usd else 0 end) as decimal(18, 2)) as sole_basket_sales_usd
    from bought_alone
    group by product_id
),

ranked as (
    select
        sold.*,
        products.product_category,
        products.product_type,
        row_number() over (
            partition by products.product_category
            order by sold.sales_usd desc, sold.product_id asc
        ) as category_rank,
        sum(sold.sales_usd) over (
            partition by products.product_category
            order by sold.sales_usd desc, sold.product_id asc
            rows between unbounded preceding and current row
        ) as cumulative_sales_usd,
        sum(sold.sales_usd) over (partition by products.product_category) as category_sales_usd
    from sold
    inner join products
        on sold.product_id = products.product_id
),

final as (
    select
        ranked.product_id,
        ranked.product_category,
        ranked.product_type,
        ranked.first_sale_date,
        ranked.last_sale_date,
        ranked.lines,
        ranked.households,
        ranked.units,
        ranked.sales_usd,
        ranked.category_rank,
        {{ ratio('ranked.cumulative_sales_usd', 'ranked.category_sales_usd') }} as cumulative_category_share,
        case
            when ranked.last_sale_date <= {{ dbt.dateadd('day', -91, 'delivered.last_date') }} then 'gone'
            when ranked.first_sale_date > {{ dbt.dateadd('day', -91, 'delivered.last_date') }} then 'new'
            -- In whole numbers: less than 95 % come before it.
            when 100 * (ranked.cumulative_sales_usd - ranked.sales_usd) < 95 * ranked.category_sales_usd then 'core'
            else 'could go'
        end as assortment_status,
        ranked.sole_households,
        ranked.sole_sales_usd,
        ranked.sole_baskets,
        ranked.sole_basket_sales_usd
    from ranked
    cross join delivered
)

select * from final

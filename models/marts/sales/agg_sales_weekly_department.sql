-- grain: one row per retailer week and department with sales
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
    {% if is_incremental() %}
        where week_number in {{ missing_partitions(ref('agg_sales_days'), 'week_number') }}
    {% endif %}
),

products as (
    select * from {{ ref('dim_products') }}
),

-- The week's length comes from all departments: one that sold nothing on a day had that day to sell.
trading_weeks as (
    select
        week_number,
        -- distinct: a day has many lines
        count(distinct business_date) as trading_days
    from basket_lines
    group by week_number
),

weekly as (
    select
        basket_lines.week_number,
        products.department,
        -- distinct: a basket, a household and a product may have many lines in a week
        count(distinct basket_lines.basket_id) as baskets,
        count(distinct case when basket_lines.line_kind in ('item', 'volume') then basket_lines.household_id end)
            as households,
        count(distinct basket_lines.product_id) as products,
        count(*) as lines,
        cast(coalesce(sum(basket_lines.units), 0) as bigint) as units,
        cast(sum(basket_lines.sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(basket_lines.customer_paid_usd) as decimal(18, 2)) as customer_paid_usd
    from basket_lines
    inner join products
        on basket_lines.product_id = products.product_id
    group by basket_lines.week_number, products.department
),

final as (
    select
        weekly.week_number,
        weekly.department,
        trading_weeks.trading_days,
        weekly.baskets,
        weekly.households,
        weekly.products,
        weekly.lines,
        weekly.units,
        weekly.sales_usd,
        weekly.customer_paid_usd
    from weekly
    inner join trading_weeks
        on weekly.week_number = trading_weeks.week_number
)

select * from final

-- grain: one row per retailer week, department, category and brand class with sales
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
    {% if is_incremental() %}
        where week_number in {{ missing_partitions(ref('agg_sales_days'), 'week_number') }}
    {% endif %}
),

products as (
    select * from {{ ref('dim_products') }}
),

-- One number for department, category and brand class: to group by three texts takes twice the time.
classified as (
    select
        product_id,
        department,
        product_category,
        brand_class,
        dense_rank() over (order by department, product_category, brand_class) as class_number
    from products
),

classes as (
    select
        class_number,
        department,
        product_category,
        brand_class
    from classified
    group by class_number, department, product_category, brand_class
),

weeks as (
    select
        week_number,
        -- distinct: a day and a household have many lines
        count(distinct business_date) as trading_days,
        count(distinct household_id) as all_households
    from basket_lines
    group by week_number
),

weekly as (
    select
        basket_lines.week_number,
        classified.class_number,
        -- distinct: a basket and a household may have many lines in a week
        count(distinct basket_lines.basket_id) as baskets,
        count(distinct case when basket_lines.line_kind in ('item', 'volume') then basket_lines.household_id end)
            as households,
        count(*) as lines,
        coalesce(sum(basket_lines.units), 0) as units,
        sum(basket_lines.sales_usd) as sales_usd,
        sum(basket_lines.loyalty_discount_usd) as loyalty_discount_usd,
        sum(basket_lines.coupon_discount_usd) as coupon_discount_usd,
        sum(basket_lines.coupon_match_discount_usd) as coupon_match_discount_usd,
        sum(basket_lines.customer_paid_usd) as customer_paid_usd
    from basket_lines
    inner join classified
        on basket_lines.product_id = classified.product_id
    group by basket_lines.week_number, classified.class_number
),

final as (
    select
        weekly.week_number,
        classes.department,
        classes.product_category,
        classes.brand_class,
        weeks.trading_days,
        weekly.baskets,
        weekly.households,
        {{ ratio('weekly.households', 'weeks.all_households') }} as penetration,
        weekly.lines,
        cast(weekly.units as bigint) as units,
        cast(weekly.sales_usd as decimal(18, 2)) as sales_usd,
        cast(weekly.loyalty_discount_usd as decimal(18, 2)) as loyalty_discount_usd,
        cast(weekly.coupon_discount_usd as decimal(18, 2)) as coupon_discount_usd,
        cast(weekly.coupon_match_discount_usd as decimal(18, 2)) as coupon_match_discount_usd,
        cast(weekly.customer_paid_usd as decimal(18, 2)) as customer_paid_usd
    from weekly
    inner join classes
        on weekly.class_number = classes.class_number
    inner join weeks
        on weekly.week_number = weeks.week_number
)

select * from final

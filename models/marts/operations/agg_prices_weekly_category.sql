-- grain: one row per retailer week and product category with sales of items
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

first_week as (
    select min(week_number) as week_number
    from basket_lines
),

sold as (
    select
        product_id,
        week_number,
        cast(sum(units) as bigint) as units,
        cast(sum(sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(loyalty_discount_usd + coupon_match_discount_usd) as decimal(18, 2)) as retailer_discount_usd,
        cast(sum(case when loyalty_discount_usd + coupon_match_discount_usd > 0 then units else 0 end) as bigint)
            as discounted_units,
        cast(
            sum(
                case
                    when loyalty_discount_usd + coupon_match_discount_usd > 0
                        then sales_usd + loyalty_discount_usd + coupon_match_discount_usd
                    else 0
                end
            ) as decimal(18, 2)
        ) as discounted_value_usd
    from basket_lines
    where units > 0
    group by product_id, week_number
),

-- What an item cost without card or coupon, on average, in the eight weeks after the first one, which may lack days.
base_prices as (
    select
        sold.product_id,
        {{ ratio('sum(sold.sales_usd + sold.retailer_discount_usd)', 'sum(sold.units)', 12) }} as base_price_usd
    from sold
    inner join first_week
        on sold.week_number between first_week.week_number + 1 and first_week.week_number + 8
    group by sold.product_id
),

weekly as (
    select
        sold.week_number,
        products.product_category,
        cast(sum(sold.units) as bigint) as units,
        cast(sum(sold.sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(sold.retailer_discount_usd) as decimal(18, 2)) as retailer_discount_usd,
        cast(sum(sold.discounted_units) as bigint) as discounted_units,
        cast(sum(sold.discounted_value_usd) as decimal(18, 2)) as discounted_value_usd,
        cast(sum(case when base_prices.product_id is not null then sold.sales_usd else 0 end) as decimal(18, 2))
            as covered_sales_usd,
        cast(
            sum(
                case when base_prices.product_id is not null then sold.sales_usd + sold.retailer_discount_usd else 0 end
            ) as decimal(18, 2)
        ) as covered_value_usd,
        sum(coalesce(sold.units * base_prices.base_price_usd, 0)) as base_value_usd
    from sold
    inner join products
        on sold.product_id = products.product_id
    left join base_prices
        on sold.product_id = base_prices.product_id
    group by sold.week_number, products.product_category
),

final as (
    select
        week_number,
        product_category,
        units,
        sales_usd,
        retailer_discount_usd,
        {{ ratio('retailer_discount_usd', 'sales_usd + retailer_discount_usd') }} as discount_rate,
        {{ ratio('discounted_units', 'units') }} as discounted_units_share,
        {{ ratio('retailer_discount_usd', 'discounted_value_usd') }} as discount_depth,
        covered_sales_usd,
        {{ ratio('covered_sales_usd', 'sales_usd') }} as covered_share,
        cast(base_value_usd as decimal(18, 2)) as base_value_usd,
        {{ ratio('covered_value_usd', 'base_value_usd') }} as regular_price_index,
        {{ ratio('covered_sales_usd', 'base_value_usd') }} as paid_price_index
    from weekly
)

select * from final

-- grain: one row per retailer week, department and promotion status
with cases as (
    select * from {{ ref('agg_promotion_cases_weekly') }}
    where lines > 0
),

placed_products as (
    select * from {{ ref('agg_promotion_products_weekly') }}
),

planned_stores as (
    select * from {{ ref('agg_promotion_stores_weekly') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

-- The planner lists only what it promotes: a product that is missing is not promoted where the store and week have a
-- plan, and not known where they have none.
unplanned_cases as (
    select
        basket_lines.product_id,
        basket_lines.store_id,
        basket_lines.week_number,
        count(*) as lines,
        coalesce(sum(basket_lines.units), 0) as units,
        sum(basket_lines.sales_usd) as sales_usd,
        sum(basket_lines.loyalty_discount_usd) as loyalty_discount_usd,
        sum(basket_lines.coupon_discount_usd) as coupon_discount_usd,
        sum(basket_lines.coupon_match_discount_usd) as coupon_match_discount_usd
    from basket_lines
    left join planned_stores
        on
            basket_lines.store_id = planned_stores.store_id
            and basket_lines.week_number = planned_stores.week_number
    where planned_stores.store_id is null
    group by basket_lines.product_id, basket_lines.store_id, basket_lines.week_number
),

-- Placements are counted apart from sales, and not again on a day without a plan: there are many of them.
placed as (
    select
        week_number,
        product_id,
        is_displayed,
        is_mailed,
        true as has_plan,
        placed_cases,
        0 as sold_cases,
        0 as placed_and_sold_cases,
        0 as lines,
        0 as units,
        0 as sales_usd,
        0 as loyalty_discount_usd,
        0 as coupon_discount_usd,
        0 as coupon_match_discount_usd
    from placed_products
),

sold as (
    select
        week_number,
        product_id,
        display_location <> '0' as is_displayed,
        mailer_location <> '0' as is_mailed,
        true as has_plan,
        0 as placed_cases,
        1 as sold_cases,
        case when is_promoted then 1 else 0 end as placed_and_sold_cases,
        lines,
        units,
        sales_usd,
        loyalty_discount_usd,
        coupon_discount_usd,
        coupon_match_discount_usd
    from cases
    union all
    select
        week_number,
        product_id,
        false as is_displayed,
        false as is_mailed,
        false as has_plan,
        0 as placed_cases,
        1 as sold_cases,
        0 as placed_and_sold_cases,
        lines,
        units,
        sales_usd,
        loyalty_discount_usd,
        coupon_discount_usd,
        coupon_match_discount_usd
    from unplanned_cases
),

all_cases as (
    select * from placed
    union all
    select * from sold
),

cases_with_status as (
    select
        all_cases.*,
        products.department,
        case
            when all_cases.is_displayed and all_cases.is_mailed then 'displayed and mailed'
            when all_cases.is_displayed then 'displayed'
            when all_cases.is_mailed then 'mailed'
            when all_cases.has_plan then 'not promoted'
            else 'not known'
        end as promotion_status
    from all_cases
    inner join products
        on all_cases.product_id = products.product_id
),

weekly as (
    select
        week_number,
        department,
        promotion_status,
        cast(sum(placed_cases) as bigint) as placed_cases,
        cast(sum(sold_cases) as bigint) as sold_cases,
        cast(sum(placed_and_sold_cases) as bigint) as placed_and_sold_cases,
        cast(sum(lines) as bigint) as lines,
        cast(sum(units) as bigint) as units,
        cast(sum(sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(loyalty_discount_usd) as decimal(18, 2)) as loyalty_discount_usd,
        cast(sum(coupon_discount_usd) as decimal(18, 2)) as coupon_discount_usd,
        cast(sum(coupon_match_discount_usd) as decimal(18, 2)) as coupon_match_discount_usd
    from cases_with_status
    group by week_number, department, promotion_status
),

final as (
    select
        week_number,
        department,
        promotion_status,
        placed_cases,
        sold_cases,
        {{ ratio('placed_and_sold_cases', 'placed_cases') }} as sold_share,
        lines,
        units,
        sales_usd,
        loyalty_discount_usd,
        coupon_discount_usd,
        coupon_match_discount_usd,
        {{ ratio(
            'loyalty_discount_usd + coupon_match_discount_usd',
            'sales_usd + loyalty_discount_usd + coupon_match_discount_usd'
        ) }} as discount_rate
    from weekly
)

select * from final

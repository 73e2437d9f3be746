-- grain: one row per retailer week, department and promotion status
with promotions as (
    select * from {{ ref('fct_promotions') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

-- The planner lists only what it promotes: a product that is missing is not promoted where the store and week have a
-- plan, and not known where they have none.
planned_store_weeks as (
    select
        store_id,
        week_number
    from promotions
    group by store_id, week_number
),

sold_cases as (
    select
        product_id,
        store_id,
        week_number,
        count(*) as lines,
        coalesce(sum(units), 0) as units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd,
        sum(coupon_discount_usd) as coupon_discount_usd,
        sum(coupon_match_discount_usd) as coupon_match_discount_usd
    from basket_lines
    group by product_id, store_id, week_number
),

-- Placements are counted apart from sales: a full join would carry all 20.9 million of them through every step.
placed as (
    select
        week_number,
        product_id,
        is_displayed,
        is_mailed,
        true as has_plan,
        count(*) as placed_cases,
        0 as sold_cases,
        0 as placed_and_sold_cases,
        0 as lines,
        0 as units,
        0 as sales_usd,
        0 as loyalty_discount_usd,
        0 as coupon_discount_usd,
        0 as coupon_match_discount_usd
    from promotions
    group by week_number, product_id, is_displayed, is_mailed
),

sold as (
    select
        sold_cases.week_number,
        sold_cases.product_id,
        coalesce(promotions.is_displayed, false) as is_displayed,
        coalesce(promotions.is_mailed, false) as is_mailed,
        planned_store_weeks.store_id is not null as has_plan,
        0 as placed_cases,
        1 as sold_cases,
        case when promotions.product_id is null then 0 else 1 end as placed_and_sold_cases,
        sold_cases.lines,
        sold_cases.units,
        sold_cases.sales_usd,
        sold_cases.loyalty_discount_usd,
        sold_cases.coupon_discount_usd,
        sold_cases.coupon_match_discount_usd
    from sold_cases
    left join promotions
        on
            sold_cases.product_id = promotions.product_id
            and sold_cases.store_id = promotions.store_id
            and sold_cases.week_number = promotions.week_number
    left join planned_store_weeks
        on
            sold_cases.store_id = planned_store_weeks.store_id
            and sold_cases.week_number = planned_store_weeks.week_number
),

cases as (
    select * from placed
    union all
    select * from sold
),

cases_with_status as (
    select
        cases.*,
        products.department,
        case
            when cases.is_displayed and cases.is_mailed then 'displayed and mailed'
            when cases.is_displayed then 'displayed'
            when cases.is_mailed then 'mailed'
            when cases.has_plan then 'not promoted'
            else 'not known'
        end as promotion_status
    from cases
    inner join products
        on cases.product_id = products.product_id
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

-- grain: one row per retailer week and department with sales
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

weekly as (
    select
        basket_lines.week_number,
        products.department,
        -- distinct: a household has many lines
        count(distinct case when basket_lines.line_kind in ('item', 'volume') then basket_lines.household_id end)
            as households,
        count(*) as lines,
        cast(
            sum(
                case
                    when
                        basket_lines.loyalty_discount_usd
                        + basket_lines.coupon_discount_usd
                        + basket_lines.coupon_match_discount_usd > 0
                        then 1
                    else 0
                end
            ) as bigint
        ) as discounted_lines,
        cast(sum(basket_lines.sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(basket_lines.loyalty_discount_usd) as decimal(18, 2)) as loyalty_discount_usd,
        cast(sum(basket_lines.coupon_match_discount_usd) as decimal(18, 2)) as coupon_match_discount_usd,
        cast(sum(basket_lines.coupon_discount_usd) as decimal(18, 2)) as coupon_discount_usd
    from basket_lines
    inner join products
        on basket_lines.product_id = products.product_id
    group by basket_lines.week_number, products.department
),

final as (
    select
        week_number,
        department,
        households,
        lines,
        discounted_lines,
        sales_usd,
        -- What the same basket lines would have brought at regular prices: sales_usd is after both discounts.
        sales_usd + loyalty_discount_usd + coupon_match_discount_usd as regular_value_usd,
        loyalty_discount_usd,
        coupon_match_discount_usd,
        -- The manufacturer pays its own coupons back: they cost the retailer nothing.
        loyalty_discount_usd + coupon_match_discount_usd as retailer_discount_usd,
        coupon_discount_usd,
        {{ ratio(
            'loyalty_discount_usd + coupon_match_discount_usd',
            'sales_usd + loyalty_discount_usd + coupon_match_discount_usd'
        ) }} as discount_rate
    from weekly
)

select * from final

-- grain: one row per retailer week and product category with sales
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

cases as (
    select * from {{ ref('agg_promotion_cases_weekly') }}
),

given as (
    select
        basket_lines.week_number,
        products.product_category,
        -- distinct: a household has many lines
        count(distinct case when basket_lines.line_kind in ('item', 'volume') then basket_lines.household_id end)
            as households,
        count(*) as lines,
        cast(sum(basket_lines.sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(basket_lines.loyalty_discount_usd) as decimal(18, 2)) as loyalty_discount_usd,
        cast(sum(basket_lines.coupon_match_discount_usd) as decimal(18, 2)) as coupon_match_discount_usd,
        cast(sum(basket_lines.coupon_discount_usd) as decimal(18, 2)) as coupon_discount_usd
    from basket_lines
    inner join products
        on basket_lines.product_id = products.product_id
    group by basket_lines.week_number, products.product_category
),

promoted as (
    select
        cases.week_number,
        products.product_category,
        cast(sum(cases.loyalty_discount_usd + cases.coupon_match_discount_usd) as decimal(18, 2)) as discount_usd,
        cast(
            sum(
                case
                    when cases.expected_units is not null
                        then cases.loyalty_discount_usd + cases.coupon_match_discount_usd
                    else 0
                end
            ) as decimal(18, 2)
        ) as judged_discount_usd,
        cast(sum(case when cases.expected_units is not null then cases.units else 0 end) as bigint) as judged_units,
        cast(coalesce(sum(cases.expected_units), 0) as decimal(18, 6)) as expected_units
    from cases
    inner join products
        on cases.product_id = products.product_id
    where cases.is_promoted
    group by cases.week_number, products.product_category
),

compared as (
    select
        given.*,
        given.loyalty_discount_usd + given.coupon_match_discount_usd as retailer_discount_usd,
        coalesce(promoted.discount_usd, 0) as promoted_discount_usd,
        coalesce(promoted.judged_discount_usd, 0) as judged_discount_usd,
        coalesce(promoted.judged_units, 0) as judged_units,
        coalesce(promoted.expected_units, 0) as expected_units,
        -- More was expected than came: all of it would have sold anyway, and not more than all.
        {{ ratio('least(promoted.expected_units, promoted.judged_units)', 'promoted.judged_units') }} as anyway_share
    from given
    left join promoted
        on
            given.week_number = promoted.week_number
            and given.product_category = promoted.product_category
),

final as (
    select
        week_number,
        product_category,
        households,
        lines,
        sales_usd,
        loyalty_discount_usd,
        coupon_match_discount_usd,
        retailer_discount_usd,
        coupon_discount_usd,
        {{ ratio('retailer_discount_usd', 'sales_usd + retailer_discount_usd') }} as discount_rate,
        promoted_discount_usd,
        judged_discount_usd,
        judged_units,
        expected_units,
        anyway_share,
        cast(
            coalesce({{ ratio('judged_discount_usd * least(expected_units, judged_units)', 'judged_units', 2) }}, 0)
            as decimal(18, 2)
        ) as anyway_discount_usd
    from compared
)

select * from final

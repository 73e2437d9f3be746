-- grain: one row per product category and kind of promotion
with cases as (
    select * from {{ ref('agg_promotion_cases_weekly') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

clusters as (
    select
        products.product_category,
        case
            when cases.mailer_location = '0' then 'displayed'
            when cases.display_location = '0' then 'mailed'
            else 'displayed and mailed'
        end as promotion_status,
        cases.product_id,
        count(*) as cases,
        cast(sum(cases.units) as bigint) as units,
        cast(sum(cases.expected_units) as decimal(18, 6)) as expected_units,
        sum(cases.sales_usd) as sales_usd,
        sum(cases.loyalty_discount_usd + cases.coupon_match_discount_usd) as retailer_discount_usd
    from cases
    inner join products
        on cases.product_id = products.product_id
    where cases.expected_units is not null
    group by products.product_category, promotion_status, cases.product_id
),

lifts as (
    {{ lift_by('clusters', ['product_category', 'promotion_status']) }}
),

final as (
    select * from lifts
)

select * from final

-- grain: one row per product category and kind of promotion
with cases as (
    select * from {{ ref('agg_promotion_cases_weekly') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

judged as (
    select
        cases.*,
        products.product_category,
        case
            when cases.mailer_location = '0' then 'displayed'
            when cases.display_location = '0' then 'mailed'
            else 'displayed and mailed'
        end as promotion_status
    from cases
    inner join products
        on cases.product_id = products.product_id
    where cases.expected_units is not null
),

buyers as (
    {{ lift_households('judged', 'basket_lines', ['product_category', 'promotion_status']) }}
),

clusters as (
    {{ lift_clusters('judged', ['product_category', 'promotion_status']) }}
),

lifts as (
    {{ lift_by('clusters', ['product_category', 'promotion_status']) }}
),

final as (
    select
        lifts.product_category,
        lifts.promotion_status,
        coalesce(buyers.households, 0) as households,
        lifts.cases,
        lifts.products,
        lifts.units,
        lifts.expected_units,
        lifts.sales_usd,
        lifts.retailer_discount_usd,
        lifts.discount_rate,
        lifts.lift,
        lifts.lift_from,
        lifts.lift_to,
        lifts.finding
    from lifts
    left join buyers
        on
            lifts.product_category = buyers.product_category
            and lifts.promotion_status = buyers.promotion_status
)

select * from final

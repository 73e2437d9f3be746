-- grain: one row per basket and department of the product master
with baskets as (
    select * from {{ ref('fct_baskets') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

-- distinct: a department has many products
departments as (
    select distinct department from products
),

-- distinct: a basket may contain many products of a department
bought as (
    select distinct
        basket_lines.basket_id,
        products.department
    from basket_lines
    inner join products
        on basket_lines.product_id = products.product_id
    where basket_lines.line_kind in ('item', 'volume')
),

final as (
    select
        baskets.basket_id,
        departments.department,
        baskets.household_id,
        baskets.store_id,
        baskets.business_date,
        bought.basket_id is not null as has_department
    from baskets
    cross join departments
    left join bought
        on
            baskets.basket_id = bought.basket_id
            and departments.department = bought.department
)

select * from final

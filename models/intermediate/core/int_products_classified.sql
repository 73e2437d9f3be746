-- grain: one row per product of the master
with products as (
    select * from {{ ref('stg_merchandising__products') }}
),

special_product_types as (
    select * from {{ ref('special_product_types') }}
),

-- A number under which the master files products of nearly every department names no manufacturer.
manufacturers as (
    select
        manufacturer_id,
        -- distinct: a department has many products
        count(distinct department) as departments
    from products
    where brand = 'National'
    group by manufacturer_id
),

final as (
    select
        products.product_id,
        products.manufacturer_id,
        coalesce(products.department, 'Unknown') as department,
        coalesce(products.brand, 'Unknown') as brand,
        coalesce(products.product_category, 'Unknown') as product_category,
        coalesce(products.product_type, 'Unknown') as product_type,
        products.package_size,
        {{ brand_class('products.brand', 'special_product_types.sold_as') }} as brand_class,
        coalesce(
            products.brand = 'National'
            and manufacturers.departments > {{ var('departments_of_one_manufacturer') }},
            false
        ) as is_collective_manufacturer,
        special_product_types.sold_as,
        special_product_types.least_quantity,
        coalesce(special_product_types.sold_as = 'volume', false) as is_volume,
        products.is_deleted
    from products
    left join special_product_types
        on products.product_type = special_product_types.product_type
    left join manufacturers
        on products.manufacturer_id = manufacturers.manufacturer_id
)

select * from final

-- grain: one row per product of the master
with products as (
    select * from {{ ref('stg_merchandising__products') }}
),

volume_product_types as (
    select * from {{ ref('volume_product_types') }}
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
        volume_product_types.product_type is not null as is_volume,
        products.is_deleted
    from products
    left join volume_product_types
        on products.product_type = volume_product_types.product_type
)

select * from final

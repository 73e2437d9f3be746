-- grain: one row per product: the master, and one inferred member per id that only tills or campaigns know
with classified as (
    select * from {{ ref('int_products_classified') }}
),

inferred as (
    select * from {{ ref('int_products_inferred') }}
),

known as (
    select
        product_id,
        manufacturer_id,
        department,
        brand,
        product_category,
        product_type,
        package_size,
        is_volume,
        false as is_unknown
    from classified
),

unknown as (
    select
        product_id,
        cast(null as bigint) as manufacturer_id,
        'Unknown' as department,
        'Unknown' as brand,
        'Unknown' as product_category,
        'Unknown' as product_type,
        cast(null as varchar) as package_size,
        false as is_volume,
        true as is_unknown
    from inferred
),

final as (
    select * from known
    union all
    select * from unknown
)

select * from final

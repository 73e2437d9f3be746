-- grain: one row per product of the master and version
with product_versions as (
    select * from {{ ref('stg_merchandising__product_versions') }}
),

states as (
    select
        product_id,
        updated_date as state_date,
        manufacturer_id,
        coalesce(department, 'Unknown') as department,
        coalesce(brand, 'Unknown') as brand,
        coalesce(product_category, 'Unknown') as product_category,
        coalesce(product_type, 'Unknown') as product_type,
        package_size
    from product_versions
),

compared as (
    select
        *,
        {{ begins_version('product_id', [
            'manufacturer_id', 'department', 'brand', 'product_category', 'product_type', 'package_size',
        ]) }} as is_begin
    from states
),

final as (
    select
        product_id,
        {{ version_columns('product_id') }},
        manufacturer_id,
        department,
        brand,
        product_category,
        product_type,
        package_size
    from compared
    where is_begin
)

select * from final

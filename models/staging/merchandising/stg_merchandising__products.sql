-- grain: one row per product of the master, as last changed
with latest as (
    {{ latest_records('merchandising', 'products', key='product_id') }}
),

final as (
    select
        product_id,
        manufacturer_id,
        department,
        brand,
        product_category,
        product_type,
        package_size,
        product_category is null as is_missing_category,
        product_type is null as is_missing_type,
        package_size is null as is_missing_package_size,
        is_deleted,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from latest
)

select * from final

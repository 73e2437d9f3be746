-- grain: one row per product and store-local day on which the master wrote it, as that day left it
with versions as (
    {{ records_by_day('merchandising', 'products', key='product_id') }}
),

final as (
    select
        product_id,
        updated_date,
        manufacturer_id,
        department,
        brand,
        product_category,
        product_type,
        package_size
    from versions
)

select * from final

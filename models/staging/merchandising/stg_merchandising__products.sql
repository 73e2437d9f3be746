-- grain: one row per product of the master, as last changed
with products as (
    select * from {{ source('merchandising', 'products') }}
),

-- Loaded by cursor: a changed row comes again with a later updated_at. Within one load equal times are the same row.
versions as (
    select
        *,
        row_number() over (
            partition by product_id
            order by updated_at desc, _dlt_load_id desc
        ) as version_rank
    from products
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
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from versions
    where version_rank = 1
)

select * from final

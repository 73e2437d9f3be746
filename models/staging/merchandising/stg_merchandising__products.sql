-- grain: one row per product of the master, as last changed
with products as (
    select * from {{ source('merchandising', 'products') }}
),

deletions as (
    select * from {{ source('merchandising', 'deletions') }}
),

-- Each load brings what the source shows at that time: its last word about a record counts, be it row or deletion.
versions as (
    select
        *,
        row_number() over (
            partition by product_id
            order by _dlt_load_id desc, updated_at desc
        ) as version_rank
    from products
),

deleted as (
    select
        record_key,
        max(_dlt_load_id) as load_id
    from deletions
    where table_name = 'products'
    group by record_key
),

latest as (
    select
        versions.*,
        coalesce(deleted.load_id > versions._dlt_load_id, false) as is_deleted
    from versions
    left join deleted
        on versions.product_id = deleted.record_key
    where versions.version_rank = 1
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

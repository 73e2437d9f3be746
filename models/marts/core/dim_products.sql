-- grain: one row per product: the master, and one inferred member per id that only the facts know
with classified as (
    select * from {{ ref('int_products_classified') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
),

promotions as (
    select * from {{ ref('agg_promotion_products_weekly') }}
),

-- union, not union all: an id may be seen many times and on every side.
seen as (
    select product_id from basket_lines
    union
    select product_id from coupon_products
    union
    select product_id from promotions
),

known as (
    select
        product_id,
        manufacturer_id,
        department,
        brand,
        brand_class,
        product_category,
        product_type,
        package_size,
        is_volume,
        is_collective_manufacturer,
        false as is_unknown,
        is_deleted
    from classified
),

inferred as (
    select
        seen.product_id,
        cast(null as bigint) as manufacturer_id,
        'Unknown' as department,
        'Unknown' as brand,
        'Unknown' as brand_class,
        'Unknown' as product_category,
        'Unknown' as product_type,
        cast(null as string) as package_size,
        false as is_volume,
        false as is_collective_manufacturer,
        true as is_unknown,
        false as is_deleted
    from seen
    left join classified
        on seen.product_id = classified.product_id
    where classified.product_id is null
),

final as (
    select * from known
    union all
    select * from inferred
)

select * from final

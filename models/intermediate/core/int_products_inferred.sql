-- grain: one row per product id that the tills or the campaigns know and the master does not
with transactions as (
    select * from {{ ref('stg_pos__transactions') }}
),

coupons as (
    select * from {{ ref('stg_campaigns__coupons') }}
),

products as (
    select * from {{ ref('stg_merchandising__products') }}
),

-- union, not union all: an id may be seen many times and on both sides.
seen as (
    select product_id from transactions
    union
    select product_id from coupons
),

final as (
    select seen.product_id
    from seen
    left join products
        on seen.product_id = products.product_id
    where products.product_id is null
)

select * from final

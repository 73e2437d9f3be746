-- grain: one row per store
with stores as (
    select * from {{ ref('stg_merchandising__stores') }}
),

promotions as (
    select * from {{ ref('agg_promotion_stores_weekly') }}
),

promoting_stores as (
    select store_id
    from promotions
    group by store_id
),

final as (
    select
        stores.store_id,
        stores.till_system,
        promoting_stores.store_id is not null as has_promotion_data,
        stores.is_deleted
    from stores
    left join promoting_stores
        on stores.store_id = promoting_stores.store_id
)

select * from final

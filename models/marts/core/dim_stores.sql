-- grain: one row per store: the master, and one inferred member per id that only the facts know
with stores as (
    select * from {{ ref('stg_merchandising__stores') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

promotions as (
    select * from {{ ref('agg_promotion_stores_weekly') }}
),

promoting_stores as (
    select store_id
    from promotions
    group by store_id
),

-- union: a store sells many lines, and may be on both sides.
seen as (
    select store_id from basket_lines
    union
    select store_id from promoting_stores
),

members as (
    select
        store_id,
        till_system,
        false as is_unknown,
        is_deleted
    from stores
    union all
    select
        seen.store_id,
        'Unknown' as till_system,
        true as is_unknown,
        false as is_deleted
    from seen
    left join stores
        on seen.store_id = stores.store_id
    where stores.store_id is null
),

final as (
    select
        members.store_id,
        members.till_system,
        promoting_stores.store_id is not null as has_promotion_data,
        members.is_unknown,
        members.is_deleted
    from members
    left join promoting_stores
        on members.store_id = promoting_stores.store_id
)

select * from final

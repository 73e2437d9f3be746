-- grain: one row per table or view of this generation
with built_relations as (
    select * from {{ source('observe', 'built_relations') }}
),

final as (
    select
        relation,
        as_of_at,
        is_behind
    from built_relations
)

select * from final

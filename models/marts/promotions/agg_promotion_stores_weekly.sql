-- grain: one row per store and retailer week with a promotion plan
with promotions as (
    select * from {{ ref('fct_promotions') }}
),

final as (
    select
        store_id,
        week_number,
        count(*) as placed_cases,
        cast(sum(placements) as bigint) as placed_rows,
        cast(sum(case when is_displayed then 1 else 0 end) as bigint) as displayed_cases,
        cast(sum(case when is_mailed then 1 else 0 end) as bigint) as mailed_cases
    from promotions
    group by store_id, week_number
)

select * from final

{#
  Every staged placement is in fct_promotions once: per week, placements add up to the rows of staging.
  Fails? As in basket_lines_match_staging: look at observe.built_loads; `--full-refresh` mends it.
#}
with promotions as (
    select * from {{ ref('fct_promotions') }}
),

staged as (
    select * from {{ ref('stg_promotions__placements') }}
),

built_weeks as (
    select
        week_number,
        sum(placements) as placements
    from promotions
    group by week_number
),

staged_weeks as (
    select
        week_number,
        count(*) as placements
    from staged
    group by week_number
),

final as (
    select
        coalesce(built_weeks.week_number, staged_weeks.week_number) as week_number,
        built_weeks.placements as built_placements,
        staged_weeks.placements as staged_placements
    from built_weeks
    full outer join staged_weeks
        on built_weeks.week_number = staged_weeks.week_number
    where built_weeks.placements is distinct from staged_weeks.placements
)

select * from final

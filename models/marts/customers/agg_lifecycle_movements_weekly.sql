-- grain: one row per complete retailer week, lifecycle state four weeks before and lifecycle state at its end
{% set weeks_apart = 4 %}

with household_weeks as (
    select * from {{ ref('agg_household_lifecycle_weekly') }}
    where is_complete_week
),

delivered as (
    select min(week_number) as first_week_number
    from household_weeks
),

-- A household has a row for every week since its first: so many rows back is so many weeks back.
moved as (
    select
        household_id,
        week_number,
        lifecycle_state,
        coalesce(
            lag(lifecycle_state, {{ weeks_apart }}) over (partition by household_id order by week_number), 'none'
        ) as state_before,
        sum(baskets) over (
            partition by household_id order by week_number
            rows between {{ weeks_apart - 1 }} preceding and current row
        ) as baskets,
        sum(sales_usd) over (
            partition by household_id order by week_number
            rows between {{ weeks_apart - 1 }} preceding and current row
        ) as sales_usd,
        coalesce(sum(sales_usd) over (
            partition by household_id order by week_number
            rows between {{ 2 * weeks_apart - 1 }} preceding and {{ weeks_apart }} preceding
        ), 0) as previous_sales_usd
    from household_weeks
),

movements as (
    select
        moved.week_number,
        moved.state_before,
        moved.lifecycle_state,
        count(*) as state_households,
        sum(moved.baskets) as baskets,
        sum(moved.sales_usd) as sales_usd,
        sum(moved.previous_sales_usd) as previous_sales_usd
    from moved
    inner join delivered
        on moved.week_number >= delivered.first_week_number + {{ weeks_apart }}
    group by moved.week_number, moved.state_before, moved.lifecycle_state
),

final as (
    select
        week_number,
        state_before,
        lifecycle_state,
        state_households,
        {{ ratio('state_households', 'sum(state_households) over (partition by week_number, state_before)') }}
            as movement_rate,
        cast(baskets as bigint) as baskets,
        cast(sales_usd as decimal(18, 2)) as sales_usd,
        cast(previous_sales_usd as decimal(18, 2)) as previous_sales_usd
    from movements
)

select * from final

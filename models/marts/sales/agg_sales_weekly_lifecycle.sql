-- grain: one row per retailer week and lifecycle state that a household is in
with household_weeks as (
    select * from {{ ref('agg_household_lifecycle_weekly') }}
),

weekly as (
    select
        week_number,
        lifecycle_state,
        is_complete_week,
        count(*) as state_households,
        sum(case when baskets > 0 then 1 else 0 end) as households,
        sum(baskets) as baskets,
        sum(units) as units,
        sum(sales_usd) as sales_usd
    from household_weeks
    group by week_number, lifecycle_state, is_complete_week
),

final as (
    select
        week_number,
        lifecycle_state,
        state_households,
        cast(households as bigint) as households,
        cast(baskets as bigint) as baskets,
        cast(units as bigint) as units,
        cast(sales_usd as decimal(18, 2)) as sales_usd,
        {{ ratio('sales_usd', 'sum(sales_usd) over (partition by week_number)') }} as sales_share,
        is_complete_week
    from weekly
)

select * from final

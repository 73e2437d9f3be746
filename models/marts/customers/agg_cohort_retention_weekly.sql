-- grain: one row per cohort (households by the week of their first purchase) and retailer week since
with household_weeks as (
    select * from {{ ref('agg_household_lifecycle_weekly') }}
),

weekly as (
    select
        first_week_number as cohort_week_number,
        week_number,
        is_complete_week,
        count(*) as cohort_households,
        sum(case when baskets > 0 then 1 else 0 end) as households,
        sum(case when lifecycle_state in ('new', 'active', 'returned') then 1 else 0 end) as active_households,
        sum(case when lifecycle_state = 'lapsed' then 1 else 0 end) as lapsed_households,
        cast(sum(baskets) as bigint) as baskets,
        cast(sum(sales_usd) as decimal(18, 2)) as sales_usd
    from household_weeks
    group by first_week_number, week_number, is_complete_week
),

final as (
    select
        cohort_week_number,
        week_number,
        week_number - cohort_week_number as weeks_since_first,
        cohort_households,
        cast(households as bigint) as households,
        cast(active_households as bigint) as active_households,
        cast(lapsed_households as bigint) as lapsed_households,
        {{ ratio('households', 'cohort_households') }} as buying_rate,
        {{ ratio('active_households', 'cohort_households') }} as retention_rate,
        baskets,
        sales_usd,
        cast(
            sum(sales_usd) over (
                partition by cohort_week_number order by week_number rows unbounded preceding
            ) as decimal(18, 2)
        ) as cumulative_sales_usd,
        is_complete_week
    from weekly
)

select * from final

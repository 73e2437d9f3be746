-- grain: one row per retailer week and movement of households, over the four weeks that end with it
with household_weeks as (
    select * from {{ ref('agg_household_lifecycle_weekly') }}
),

first_week as (
    select min(week_number) as week_number
    from household_weeks
),

-- A household has a row in every week since its first: the frames reach over whole weeks.
windows as (
    select
        household_id,
        week_number,
        first_week_number,
        is_complete_week,
        sum(baskets) over (
            partition by household_id order by week_number rows between 3 preceding and current row
        ) as baskets,
        sum(sales_usd) over (
            partition by household_id order by week_number rows between 3 preceding and current row
        ) as sales_usd,
        coalesce(sum(baskets) over (
            partition by household_id order by week_number rows between 7 preceding and 4 preceding
        ), 0) as previous_baskets,
        coalesce(sum(sales_usd) over (
            partition by household_id order by week_number rows between 7 preceding and 4 preceding
        ), 0) as previous_sales_usd
    from household_weeks
),

moved as (
    select
        windows.*,
        case
            when windows.first_week_number > windows.week_number - 4 then 'new'
            when windows.baskets > 0 and windows.previous_baskets > 0 then 'retained'
            when windows.baskets > 0 then 'returned'
            when windows.previous_baskets > 0 then 'lost'
        end as movement
    from windows
    inner join first_week
        on windows.week_number >= first_week.week_number + 7
),

final as (
    select
        week_number,
        movement,
        count(*) as households,
        cast(sum(baskets) as bigint) as baskets,
        cast(sum(sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(previous_baskets) as bigint) as previous_baskets,
        cast(sum(previous_sales_usd) as decimal(18, 2)) as previous_sales_usd,
        cast(sum(sales_usd) - sum(previous_sales_usd) as decimal(18, 2)) as change_usd,
        is_complete_week
    from moved
    where movement is not null
    group by week_number, movement, is_complete_week
)

select * from final

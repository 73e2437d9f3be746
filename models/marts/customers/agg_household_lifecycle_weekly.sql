-- grain: one row per household and retailer week, from the week of its first purchase to the last one delivered
with baskets as (
    select * from {{ ref('fct_baskets') }}
),

dates as (
    select * from {{ ref('dim_dates') }}
),

delivered as (
    select
        min(business_date) as first_date,
        max(business_date) as last_date
    from baskets
),

weeks as (
    select
        dates.week_number,
        min(dates.calendar_date) as week_start_date,
        max(dates.calendar_date) as week_end_date,
        max(delivered.last_date) as last_date
    from dates
    inner join delivered
        on dates.calendar_date >= delivered.first_date
    where dates.week_number is not null
    group by dates.week_number
),

-- A week that has just begun is classified as of its last delivered day, never at a day to come.
delivered_weeks as (
    select
        week_number,
        least(week_end_date, last_date) as week_as_of_date,
        week_end_date <= last_date as is_complete_week
    from weeks
    where week_start_date <= last_date
),

weekly as (
    select
        household_id,
        week_number,
        min(business_date) as first_date_of_week,
        max(business_date) as last_date_of_week,
        count(*) as baskets,
        cast(sum(units) as bigint) as units,
        cast(sum(sales_usd) as decimal(18, 2)) as sales_usd
    from baskets
    group by household_id, week_number
),

households as (
    select
        household_id,
        min(week_number) as first_week_number
    from weekly
    group by household_id
),

household_weeks as (
    select
        households.household_id,
        delivered_weeks.week_number,
        households.first_week_number,
        delivered_weeks.week_as_of_date,
        delivered_weeks.is_complete_week,
        weekly.first_date_of_week,
        weekly.baskets,
        weekly.units,
        weekly.sales_usd,
        max(weekly.last_date_of_week) over (
            partition by households.household_id
            order by delivered_weeks.week_number
            rows between unbounded preceding and current row
        ) as last_purchase_date,
        max(weekly.last_date_of_week) over (
            partition by households.household_id
            order by delivered_weeks.week_number
            rows between unbounded preceding and 1 preceding
        ) as last_date_before
    from households
    inner join delivered_weeks
        on households.first_week_number <= delivered_weeks.week_number
    left join weekly
        on
            households.household_id = weekly.household_id
            and delivered_weeks.week_number = weekly.week_number
),

counted as (
    select
        *,
        cast({{ dbt.datediff('last_purchase_date', 'week_as_of_date', 'day') }} as integer) as days_since_purchase,
        cast({{ dbt.datediff('last_date_before', 'first_date_of_week', 'day') }} as integer) as gap_days
    from household_weeks
),

final as (
    select
        household_id,
        week_number,
        first_week_number,
        week_as_of_date,
        {{ lifecycle_state('week_number = first_week_number', 'gap_days', 'days_since_purchase') }} as lifecycle_state,
        last_purchase_date,
        days_since_purchase,
        gap_days,
        coalesce(baskets, 0) as baskets,
        coalesce(units, 0) as units,
        cast(coalesce(sales_usd, 0) as decimal(18, 2)) as sales_usd,
        is_complete_week
    from counted
)

select * from final

-- grain: one row per retailer week, base of the comparison, week of the base, and day of the week that is compared
with baskets as (
    select * from {{ ref('fct_baskets') }}
),

dates as (
    select * from {{ ref('dim_dates') }}
),

trading_days as (
    select
        baskets.week_number,
        dates.iso_day_of_week
    from baskets
    inner join dates
        on baskets.business_date = dates.calendar_date
    group by baskets.week_number, dates.iso_day_of_week
),

weeks as (
    select week_number
    from trading_days
    group by week_number
),

first_week as (
    select min(week_number) as week_number
    from weeks
),

-- Weeks to compare with. A base that reaches before the first delivered week is no base.
bases as (
    select
        weeks.week_number,
        'previous_week' as compared_with,
        1 as weeks_in_base,
        base.week_number as base_week_number
    from weeks
    inner join weeks as base
        on weeks.week_number - 1 = base.week_number
    union all
    select
        weeks.week_number,
        'trailing_4_weeks' as compared_with,
        4 as weeks_in_base,
        base.week_number as base_week_number
    from weeks
    inner join weeks as base
        on base.week_number between weeks.week_number - 4 and weeks.week_number - 1
    inner join first_week
        on weeks.week_number >= first_week.week_number + 4
),

traded as (
    select
        bases.week_number,
        bases.compared_with,
        bases.weeks_in_base,
        bases.base_week_number,
        this_week.iso_day_of_week,
        count(*) over (
            partition by bases.week_number, bases.compared_with, this_week.iso_day_of_week
        ) as traded_weeks
    from bases
    inner join trading_days as this_week
        on bases.week_number = this_week.week_number
    inner join trading_days as base_week
        on
            bases.base_week_number = base_week.week_number
            and this_week.iso_day_of_week = base_week.iso_day_of_week
),

-- The days of the week on which the chain traded in the week and in every week of its base.
final as (
    select
        week_number,
        compared_with,
        weeks_in_base,
        base_week_number,
        iso_day_of_week
    from traded
    where traded_weeks = weeks_in_base
)

select * from final

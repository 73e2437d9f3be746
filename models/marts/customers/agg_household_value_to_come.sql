-- grain: one row per complete retailer week and state of households at its end, and one of all states
{% set weeks_to_come = 8 %}
{% set settled_after = 9 %}
{% set least_dates = 4 %}
{% set least_errors = 8 %}

with household_weeks as (
    select * from {{ ref('agg_household_lifecycle_weekly') }}
    where is_complete_week
),

-- Before, nobody can be lapsed or returned: the states are an effect of the data's beginning.
delivered as (
    select
        min(week_number) + {{ settled_after }} as first_week_number,
        max(week_number) as last_week_number
    from household_weeks
),

-- New and returned ones are few: what they will spend is alike, and either by itself may be a single household.
spent as (
    select
        week_number,
        case when lifecycle_state in ('new', 'returned') then 'new_or_returned' else lifecycle_state end
            as state_group,
        week_as_of_date,
        sum(sales_usd) over (
            partition by household_id order by week_number
            range between 1 following and {{ weeks_to_come }} following
        ) as later_sales_usd
    from household_weeks
),

dates as (
    select
        spent.week_number,
        spent.state_group,
        spent.week_as_of_date,
        count(*) as state_households,
        cast(
            case
                when spent.week_number + {{ weeks_to_come }} <= delivered.last_week_number
                    then sum(spent.later_sales_usd)
            end as decimal(18, 2)
        ) as later_sales_usd
    from spent
    inner join delivered
        on spent.week_number >= delivered.first_week_number
    group by spent.week_number, spent.state_group, spent.week_as_of_date, delivered.last_week_number
),

-- Only dates whose weeks to come had passed at the week: nothing is learned from its future.
learned as (
    select
        dates.week_number,
        dates.state_group,
        count(*) as earlier_dates,
        sum(earlier.state_households) as state_households,
        cast(sum(earlier.later_sales_usd) as decimal(18, 2)) as later_sales_usd
    from dates
    inner join dates as earlier
        on
            dates.state_group = earlier.state_group
            and dates.week_number - {{ weeks_to_come }} >= earlier.week_number
    group by dates.week_number, dates.state_group
    having count(*) >= {{ least_dates }}
),

expected_of_states as (
    select
        dates.week_number,
        dates.state_group,
        dates.week_as_of_date,
        dates.state_households,
        dates.later_sales_usd,
        learned.earlier_dates,
        {{ ratio('dates.state_households * learned.later_sales_usd', 'learned.state_households', 2) }}
            as expected_sales_usd
    from dates
    left join learned
        on
            dates.week_number = learned.week_number
            and dates.state_group = learned.state_group
),

-- The total is expected once every state is, and has errors of its own: those of the states partly cancel out.
expected as (
    select * from expected_of_states
    union all
    select
        week_number,
        'all' as state_group,
        week_as_of_date,
        cast(sum(state_households) as bigint) as state_households,
        cast(sum(later_sales_usd) as decimal(18, 2)) as later_sales_usd,
        case when count(*) = count(expected_sales_usd) then min(earlier_dates) end as earlier_dates,
        cast(case when count(*) = count(expected_sales_usd) then sum(expected_sales_usd) end as decimal(18, 2))
            as expected_sales_usd
    from expected_of_states
    group by week_number, week_as_of_date
),

errors as (
    select
        week_number,
        state_group,
        {{ ratio('later_sales_usd - expected_sales_usd', 'expected_sales_usd') }} as relative_error
    from expected
    where later_sales_usd is not null and expected_sales_usd > 0
),

spread as (
    select
        expected.week_number,
        expected.state_group,
        1.645 * sqrt({{ quotient(
            'sum(cast(errors.relative_error * errors.relative_error as decimal(38, 12)))', 'count(*)'
        ) }}) as width
    from expected
    inner join errors
        on
            expected.state_group = errors.state_group
            and expected.week_number - {{ weeks_to_come }} >= errors.week_number
    group by expected.week_number, expected.state_group
    having count(*) >= {{ least_errors }}
),

intervals as (
    select
        expected.*,
        -- Nobody spends less than nothing.
        cast(
            round(expected.expected_sales_usd * case when spread.width > 1 then 0 else 1 - spread.width end, 2)
            as decimal(18, 2)
        ) as expected_from_usd,
        cast(round(expected.expected_sales_usd * (1 + spread.width), 2) as decimal(18, 2)) as expected_to_usd
    from expected
    left join spread
        on
            expected.week_number = spread.week_number
            and expected.state_group = spread.state_group
),

judged as (
    select
        *,
        later_sales_usd between expected_from_usd and expected_to_usd as is_within_interval
    from intervals
),

final as (
    select
        week_number,
        state_group,
        week_as_of_date,
        state_households,
        cast(earlier_dates as integer) as earlier_dates,
        expected_sales_usd,
        expected_from_usd,
        expected_to_usd,
        later_sales_usd,
        is_within_interval,
        -- Those of which the weeks to come had passed at the week.
        cast(count(is_within_interval) over earlier_weeks as integer) as past_intervals,
        cast(count(case when is_within_interval then 1 end) over earlier_weeks as integer) as past_intervals_held
    from judged
    window
        earlier_weeks as (
            partition by state_group
            order by week_number
            range between unbounded preceding and {{ weeks_to_come }} preceding
        )
)

select * from final

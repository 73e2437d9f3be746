{#
  Of every complete week from the tenth on agg_household_value_to_come has the households of each state; its total has all of them,
  what they spent later by their own baskets, and the sum of what is expected, unless nothing is expected of a state.
  Fails? A household misses a week in agg_household_lifecycle_weekly, or the total was added up from other rows than it shows.
#}
with mart as (
    select * from {{ ref('agg_household_value_to_come') }}
),

states as (
    select * from {{ ref('agg_sales_weekly_lifecycle') }}
    where is_complete_week
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

first_weeks as (
    select
        household_id,
        min(week_number) as first_week_number
    from baskets
    group by household_id
),

-- By week of the first purchase: who came later is not in what the known households spent.
spent as (
    select
        first_weeks.first_week_number,
        baskets.week_number,
        sum(baskets.sales_usd) as sales_usd
    from baskets
    inner join first_weeks
        on baskets.household_id = first_weeks.household_id
    group by first_weeks.first_week_number, baskets.week_number
),

complete as (
    select
        min(week_number) as first_week_number,
        max(week_number) as last_week_number
    from states
),

weeks as (
    select
        states.week_number,
        states.week_number + 8 <= complete.last_week_number as has_passed
    from states
    inner join complete
        on states.week_number >= complete.first_week_number + 9
    group by states.week_number, complete.last_week_number
),

later as (
    select
        weeks.week_number,
        sum(spent.sales_usd) as later_sales_usd
    from weeks
    inner join spent
        on
            spent.week_number between weeks.week_number + 1 and weeks.week_number + 8
            and weeks.week_number >= spent.first_week_number
    where weeks.has_passed
    group by weeks.week_number
),

expected as (
    select
        states.week_number,
        case when states.lifecycle_state in ('new', 'returned') then 'new_or_returned' else states.lifecycle_state end
            as state_group,
        states.state_households,
        cast(null as decimal(18, 2)) as later_sales_usd,
        cast(null as decimal(18, 2)) as expected_sales_usd
    from states
    inner join weeks
        on states.week_number = weeks.week_number
    union all
    select
        mart.week_number,
        'all' as state_group,
        sum(mart.state_households) as state_households,
        max(later.later_sales_usd) as later_sales_usd,
        case when count(*) = count(mart.expected_sales_usd) then sum(mart.expected_sales_usd) end as expected_sales_usd
    from mart
    left join later
        on mart.week_number = later.week_number
    where mart.state_group <> 'all'
    group by mart.week_number
),

actual as (
    select
        week_number,
        state_group,
        state_households,
        case when state_group = 'all' then later_sales_usd end as later_sales_usd,
        case when state_group = 'all' then expected_sales_usd end as expected_sales_usd
    from mart
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='actual',
        by=['week_number', 'state_group'],
        sums=['state_households', 'later_sales_usd', 'expected_sales_usd']
    ) }}
)

select * from final

{#
  Of every complete week the states to which households moved contain all that are known, the states from which they moved all that
  were known four weeks before, and the sales of both spans are those of the weeks.
  Fails? A household misses a week in agg_household_lifecycle_weekly, so that four rows back is not four weeks back.
#}
with mart as (
    select * from {{ ref('agg_lifecycle_movements_weekly') }}
),

states as (
    select * from {{ ref('agg_sales_weekly_lifecycle') }}
    where is_complete_week
),

complete as (
    select min(week_number) as first_week_number
    from states
),

weeks as (
    select states.week_number
    from states
    inner join complete
        on states.week_number >= complete.first_week_number + 4
    group by states.week_number
),

known as (
    select
        weeks.week_number,
        states.week_number + 4 = weeks.week_number as is_before,
        states.lifecycle_state,
        states.state_households,
        states.week_number = weeks.week_number as is_of_the_week,
        states.week_number > weeks.week_number - 4 as is_of_the_four_weeks,
        states.sales_usd
    from weeks
    inner join states
        on states.week_number between weeks.week_number - 7 and weeks.week_number
),

expected as (
    select
        week_number,
        'to' as side,
        lifecycle_state,
        sum(state_households) as households,
        0 as sales_usd,
        0 as previous_sales_usd
    from known
    where is_of_the_week
    group by week_number, lifecycle_state
    union all
    select
        week_number,
        'from' as side,
        lifecycle_state,
        sum(state_households) as households,
        0 as sales_usd,
        0 as previous_sales_usd
    from known
    where is_before
    group by week_number, lifecycle_state
    union all
    select
        week_number,
        'both' as side,
        'all' as lifecycle_state,
        0 as households,
        sum(case when is_of_the_four_weeks then sales_usd else 0 end) as sales_usd,
        sum(case when is_of_the_four_weeks then 0 else sales_usd end) as previous_sales_usd
    from known
    group by week_number
),

actual as (
    select
        week_number,
        'to' as side,
        lifecycle_state,
        state_households as households,
        0 as sales_usd,
        0 as previous_sales_usd
    from mart
    union all
    select
        week_number,
        'from' as side,
        state_before as lifecycle_state,
        state_households as households,
        0 as sales_usd,
        0 as previous_sales_usd
    from mart
    where state_before <> 'none'
    union all
    select
        week_number,
        'both' as side,
        'all' as lifecycle_state,
        0 as households,
        sales_usd,
        previous_sales_usd
    from mart
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='actual',
        by=['week_number', 'side', 'lifecycle_state'],
        sums=['households', 'sales_usd', 'previous_sales_usd']
    ) }}
)

select * from final

{#
  Every basket is in one household and week of agg_household_lifecycle_weekly, and the states of a week contain every
  household that has bought by then, once.
  Fails? A household without a row in a week since its first: dim_dates misses the week, or fct_baskets was built later.
#}
with mart as (
    select * from {{ ref('agg_household_lifecycle_weekly') }}
),

states as (
    select * from {{ ref('agg_sales_weekly_lifecycle') }}
),

fact as (
    select * from {{ ref('fct_baskets') }}
),

dates as (
    select * from {{ ref('dim_dates') }}
),

first_weeks as (
    select
        household_id,
        min(week_number) as first_week_number
    from fact
    group by household_id
),

delivered as (
    select
        min(week_number) as first_week_number,
        max(week_number) as last_week_number
    from fact
),

-- Also a week without a basket: all states are known in it.
weeks as (
    select dates.week_number
    from dates
    inner join delivered
        on dates.week_number between delivered.first_week_number and delivered.last_week_number
    group by dates.week_number
),

known as (
    select
        weeks.week_number,
        count(*) as state_households
    from weeks
    inner join first_weeks
        on weeks.week_number >= first_weeks.first_week_number
    group by weeks.week_number
),

expected as (
    {{ totals_of(by=['week_number'], relations={
        'known': {'state_households': 'sum(state_households)'},
        'fact': {'baskets': 'count(*)', 'units': 'sum(units)', 'sales_usd': 'sum(sales_usd)'},
    }) }}
),

of_states as (
    {{ totals_agree(
        expected='expected',
        actual='states',
        by=['week_number'],
        sums=['state_households', 'baskets', 'units', 'sales_usd']
    ) }}
),

of_household_weeks as (
    {{ totals_agree(
        expected='expected',
        actual='mart',
        by=['week_number'],
        sums=['baskets', 'units', 'sales_usd'],
        also={'state_households': ['sum(state_households)', 'count(*)']}
    ) }}
),

final as (
    select
        'agg_sales_weekly_lifecycle' as mart,
        week_number
    from of_states
    union all
    select
        'agg_household_lifecycle_weekly' as mart,
        week_number
    from of_household_weeks
)

select * from final

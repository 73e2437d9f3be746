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

first_weeks as (
    select
        household_id,
        min(week_number) as first_week_number
    from fact
    group by household_id
),

weekly as (
    select
        week_number,
        count(*) as baskets,
        sum(units) as units,
        sum(sales_usd) as sales_usd
    from fact
    group by week_number
),

expected as (
    select
        weekly.week_number,
        weekly.baskets,
        weekly.units,
        weekly.sales_usd,
        count(*) as state_households
    from weekly
    inner join first_weeks
        on weekly.week_number >= first_weeks.first_week_number
    group by weekly.week_number, weekly.baskets, weekly.units, weekly.sales_usd
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

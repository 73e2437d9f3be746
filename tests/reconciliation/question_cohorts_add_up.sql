{#
  The cohorts contain every household once, in its first week, and together all baskets and sales of each week.
  Fails? agg_household_lifecycle_weekly fails too: start there.
#}
with mart as (
    select * from {{ ref('agg_cohort_retention_weekly') }}
),

fact as (
    select * from {{ ref('fct_baskets') }}
),

first_weeks as (
    select
        household_id,
        min(week_number) as week_number
    from fact
    group by household_id
),

cohorts as (
    select *
    from mart
    where weeks_since_first = 0
),

-- In a week without sales every cohort is there, and the fact is not.
shopping as (
    select *
    from mart
    where baskets > 0
),

of_weeks as (
    {{ totals_agree(
        expected='fact',
        actual='shopping',
        by=['week_number'],
        sums=['sales_usd'],
        also={
            'baskets': ['count(*)', 'sum(baskets)'],
            'households': ['count(distinct household_id)', 'sum(households)'],
        }
    ) }}
),

of_cohorts as (
    {{ totals_agree(
        expected='first_weeks',
        actual='cohorts',
        by=['week_number'],
        also={'households': ['count(*)', 'sum(cohort_households)']}
    ) }}
),

final as (
    select
        'sales of the week' as what,
        week_number
    from of_weeks
    union all
    select
        'households of the cohort' as what,
        week_number
    from of_cohorts
)

select * from final

-- grain: one row per campaign that is over, and period in which households may have come back
{% set days_absent = 28 %}
{% set days_lapsed = 56 %}
{% set days_after = 28 %}
{% set least_households = 30 %}

with campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

household_days as (
    select
        household_id,
        business_date
    from baskets
    group by household_id, business_date
),

delivered as (
    select
        min(business_date) as first_date,
        max(business_date) as last_date
    from household_days
),

periods as (
    select
        campaign_id,
        'during' as return_period,
        start_date,
        start_date as first_date,
        end_date as last_date
    from campaigns
    union all
    select
        campaign_id,
        'after' as return_period,
        start_date,
        cast({{ dbt.dateadd('day', 1, 'end_date') }} as date) as first_date,
        cast({{ dbt.dateadd('day', days_after, 'end_date') }} as date) as last_date
    from campaigns
),

-- A lapsed household can be told from an absent one only where so many days before the campaign are known.
windows as (
    select periods.*
    from periods
    inner join campaigns
        on periods.campaign_id = campaigns.campaign_id
    cross join delivered
    where
        {{ dbt.dateadd('day', -days_lapsed, 'periods.start_date') }} >= delivered.first_date
        and {{ dbt.dateadd('day', days_after, 'campaigns.end_date') }} <= delivered.last_date
),

absent as (
    select
        windows.campaign_id,
        windows.return_period,
        windows.first_date,
        windows.last_date,
        household_days.household_id,
        {{ dbt.datediff('max(household_days.business_date)', 'windows.start_date', 'day') }} > {{ days_lapsed }}
            as is_lapsed,
        count(*) as days_before
    from windows
    inner join household_days
        on windows.start_date > household_days.business_date
    group by
        windows.campaign_id,
        windows.return_period,
        windows.start_date,
        windows.first_date,
        windows.last_date,
        household_days.household_id
    having {{ dbt.datediff('max(household_days.business_date)', 'windows.start_date', 'day') }} > {{ days_absent }}
),

members as (
    select
        absent.campaign_id,
        absent.return_period,
        absent.is_lapsed,
        absent.household_id,
        absent.days_before,
        targets.household_id is not null as is_target,
        count(household_days.business_date) > 0 as is_returned
    from absent
    left join targets
        on
            absent.campaign_id = targets.campaign_id
            and absent.household_id = targets.household_id
    left join household_days
        on
            absent.household_id = household_days.household_id
            and household_days.business_date between absent.first_date and absent.last_date
    group by
        absent.campaign_id,
        absent.return_period,
        absent.is_lapsed,
        absent.household_id,
        absent.days_before,
        targets.household_id
),

strata as (
    select
        campaign_id,
        return_period,
        is_lapsed,
        sum(case when is_target then 1 else 0 end) as targets,
        sum(case when is_target then 0 else 1 end) as controls,
        sum(case when is_target and is_returned then 1 else 0 end) as target_returns,
        sum(case when is_returned and not is_target then 1 else 0 end) as control_returns,
        sum(case when is_target then days_before else 0 end) as target_days,
        sum(case when is_target then 0 else days_before end) as control_days,
        sum(case when is_target then days_before * days_before else 0 end) as target_squares
    from members
    group by campaign_id, return_period, is_lapsed
),

-- One more that came and one more that did not, on either side: so a side where all came is not taken for certain.
-- Rounded before they are added up, so that the order of the strata does not matter.
compared as (
    select
        campaign_id,
        return_period,
        targets,
        controls,
        target_returns,
        target_days,
        target_squares,
        cast(round({{ quotient('targets', 'controls') }} * control_days, 6) as decimal(18, 6)) as expected_days,
        cast(round({{ quotient('targets', 'controls') }} * control_returns, 6) as decimal(18, 6))
            as expected_returns,
        cast(
            round(
                cast(targets as double) * targets * (
                    cast(target_returns + 1 as double) * (targets - target_returns + 1) / power(targets + 2, 3)
                    + cast(control_returns + 1 as double) * (controls - control_returns + 1) / power(controls + 2, 3)
                ),
                6
            ) as decimal(18, 6)
        ) as variance
    from strata
),

totals as (
    select
        campaign_id,
        return_period,
        cast(sum(targets) as bigint) as targets,
        cast(sum(controls) as bigint) as controls,
        cast(sum(target_returns) as bigint) as target_returns,
        sum(expected_returns) as expected_returns,
        {{ quotient('sum(target_days) - sum(expected_days)', 'sum(targets)') }} as mean_difference,
        sqrt(
            greatest(sum(target_squares) - {{ quotient('sum(target_days)', 'sum(targets)') }} * sum(target_days), 0)
            / nullif(sum(targets) - 1, 0)
        ) as target_deviation,
        sqrt(sum(variance)) * 1.96 / nullif(sum(targets), 0) as half_width,
        sum(targets) >= {{ least_households }}
        and sum(controls) >= {{ least_households }}
        and count(case when targets > 0 and controls = 0 then 1 end) = 0 as is_comparable
    from compared
    group by campaign_id, return_period
),

rated as (
    select
        *,
        {{ ratio('target_returns', 'targets') }} as target_return_rate,
        case when is_comparable then {{ ratio('expected_returns', 'targets') }} end as control_return_rate,
        case when is_comparable then {{ ratio('target_returns - expected_returns', 'targets') }} end
            as return_difference,
        case when is_comparable then {{ rounded('mean_difference / nullif(target_deviation, 0)') }} end
            as visits_difference
    from totals
),

intervals as (
    select
        *,
        {{ rounded('return_difference - half_width') }} as return_difference_from,
        {{ rounded('return_difference + half_width') }} as return_difference_to
    from rated
),

final as (
    select
        windows.campaign_id,
        campaigns.campaign_type,
        windows.return_period,
        windows.first_date as return_from_date,
        windows.last_date as return_to_date,
        coalesce(intervals.targets, 0) as absent_households,
        coalesce(intervals.controls, 0) as absent_controls,
        coalesce(intervals.target_returns, 0) as returned_households,
        intervals.target_return_rate,
        intervals.control_return_rate,
        intervals.visits_difference,
        intervals.return_difference,
        intervals.return_difference_from,
        intervals.return_difference_to,
        case
            when intervals.return_difference is null then 'too few'
            when intervals.return_difference_from > 0 then 'more'
            when intervals.return_difference_to < 0 then 'fewer'
            else 'no difference seen'
        end as return_finding
    from windows
    inner join campaigns
        on windows.campaign_id = campaigns.campaign_id
    left join intervals
        on
            windows.campaign_id = intervals.campaign_id
            and windows.return_period = intervals.return_period
)

select * from final

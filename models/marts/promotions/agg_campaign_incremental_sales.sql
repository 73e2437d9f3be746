-- grain: one row per campaign and comparison
{% set days_before = 119 %}
{% set placebo_days = 35 %}
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
        business_date,
        count(*) as baskets,
        sum(sales_usd) as sales_usd
    from baskets
    group by household_id, business_date
),

households as (
    select
        household_id,
        min(business_date) as first_date
    from household_days
    group by household_id
),

delivered as (
    select
        min(business_date) as first_date,
        max(business_date) as last_date
    from household_days
),

-- The placebo asks the same of the days just before the campaign, when there was none: what it finds is not its work.
periods as (
    select
        campaign_id,
        'campaign' as comparison,
        start_date as first_date,
        end_date as last_date
    from campaigns
    union all
    select
        campaign_id,
        'placebo' as comparison,
        {{ dbt.dateadd('day', -placebo_days, 'start_date') }} as first_date,
        {{ dbt.dateadd('day', -1, 'start_date') }} as last_date
    from campaigns
),

windows as (
    select
        periods.campaign_id,
        periods.comparison,
        cast({{ dbt.dateadd('day', -days_before, 'periods.first_date') }} as date) as before_date,
        cast(periods.first_date as date) as first_date,
        cast(least(periods.last_date, delivered.last_date) as date) as last_date,
        {{ dbt.datediff('periods.first_date', 'least(periods.last_date, delivered.last_date)', 'day') }} + 1 as days
    from periods
    cross join delivered
    where
        {{ dbt.dateadd('day', -days_before, 'periods.first_date') }} >= delivered.first_date
        and periods.first_date <= delivered.last_date
),

spent as (
    select
        windows.campaign_id,
        windows.comparison,
        household_days.household_id,
        sum(case when household_days.business_date < windows.first_date then household_days.baskets else 0 end)
            as baskets_before,
        sum(case when household_days.business_date < windows.first_date then household_days.sales_usd else 0 end)
            as before_usd,
        sum(case when household_days.business_date >= windows.first_date then household_days.sales_usd else 0 end)
            as during_usd
    from windows
    inner join household_days
        on household_days.business_date between windows.before_date and windows.last_date
    group by windows.campaign_id, windows.comparison, household_days.household_id
),

-- Targeted by another campaign that ran on a day of the window.
elsewhere as (
    select
        windows.campaign_id,
        windows.comparison,
        targets.household_id
    from windows
    inner join campaigns
        on
            windows.campaign_id <> campaigns.campaign_id
            and windows.first_date <= campaigns.end_date
            and windows.last_date >= campaigns.start_date
    inner join targets
        on campaigns.campaign_id = targets.campaign_id
    group by windows.campaign_id, windows.comparison, targets.household_id
),

-- Only who was a customer before: a household that comes for the first time has no past to be matched by.
members as (
    select
        windows.campaign_id,
        windows.comparison,
        households.household_id,
        targets.household_id is not null as is_target,
        elsewhere.household_id is not null as is_target_elsewhere,
        coalesce(spent.baskets_before, 0) as baskets_before,
        coalesce(spent.before_usd, 0) as before_usd,
        coalesce(spent.during_usd, 0) as during_usd,
        -- What was spent above the household's own pace before, times the days of it: exact, because not divided.
        {{ days_before }} * coalesce(spent.during_usd, 0) - windows.days * coalesce(spent.before_usd, 0) as change_usd
    from windows
    inner join households
        on windows.first_date > households.first_date
    left join spent
        on
            windows.campaign_id = spent.campaign_id
            and windows.comparison = spent.comparison
            and households.household_id = spent.household_id
    left join targets
        on
            windows.campaign_id = targets.campaign_id
            and households.household_id = targets.household_id
    left join elsewhere
        on
            windows.campaign_id = elsewhere.campaign_id
            and windows.comparison = elsewhere.comparison
            and households.household_id = elsewhere.household_id
),

matched as (
    select
        *,
        ntile(10) over (
            partition by campaign_id, comparison
            order by before_usd, household_id
        ) as spend_decile,
        ntile(10) over (
            partition by campaign_id, comparison
            order by baskets_before, before_usd, household_id
        ) as frequency_decile
    from members
),

strata as (
    select
        campaign_id,
        comparison,
        spend_decile,
        frequency_decile,
        sum(case when is_target then 1 else 0 end) as targets,
        sum(case when is_target then 0 else 1 end) as controls,
        sum(case when is_target or not is_target_elsewhere then 0 else 1 end) as controls_elsewhere,
        sum(case when is_target then before_usd else 0 end) as target_before_usd,
        sum(case when is_target then 0 else before_usd end) as control_before_usd,
        sum(case when is_target then {{ square('before_usd') }} else 0 end) as target_before_squares,
        sum(case when is_target then during_usd else 0 end) as target_sales_usd,
        sum(case when is_target then change_usd else 0 end) as target_change_usd,
        sum(case when is_target then 0 else change_usd end) as control_change_usd,
        sum(case when is_target then {{ square('change_usd') }} else 0 end) as target_squares,
        sum(case when is_target then 0 else {{ square('change_usd') }} end) as control_squares
    from matched
    group by campaign_id, comparison, spend_decile, frequency_decile
),

-- Two of each kind, so that the variance of each kind is estimated separately. Rounded before they are added up, so
-- that the order of the strata does not matter.
compared as (
    select
        campaign_id,
        comparison,
        targets,
        controls,
        controls_elsewhere,
        target_before_usd,
        control_before_usd,
        target_before_squares,
        cast(round(targets * {{ quotient('control_before_usd', 'controls') }}, 4) as decimal(18, 4))
            as matched_before_usd,
        target_sales_usd,
        target_change_usd
        - cast(round(targets * {{ quotient('control_change_usd', 'controls') }}, 4) as decimal(18, 4)) as effect_usd,
        cast(
            round(
                targets * (target_squares - {{ quotient('target_change_usd', 'targets') }} * target_change_usd)
                / (targets - 1)
                + {{ quotient('targets', 'controls') }} * targets
                * (control_squares - {{ quotient('control_change_usd', 'controls') }} * control_change_usd)
                / (controls - 1),
                2
            ) as decimal(38, 2)
        ) as variance
    from strata
    where targets >= 2 and controls >= 2
),

totals as (
    select
        campaign_id,
        comparison,
        cast(sum(targets) as bigint) as matched_households,
        cast(sum(controls) as bigint) as control_households,
        cast(sum(controls_elsewhere) as bigint) as controls_elsewhere,
        {{ quotient('sum(target_before_usd)', 'sum(targets)') }} as target_mean,
        {{ quotient('sum(control_before_usd)', 'sum(controls)') }} as control_mean,
        {{ quotient('sum(matched_before_usd)', 'sum(targets)') }} as matched_mean,
        -- Of equal amounts it is 0, which floating-point numbers may miss by a hair.
        sqrt(
            greatest(
                sum(target_before_squares)
                - {{ quotient('sum(target_before_usd)', 'sum(targets)') }} * sum(target_before_usd),
                0
            ) / (sum(targets) - 1)
        ) as target_deviation,
        cast(sum(target_sales_usd) as decimal(18, 2)) as matched_sales_usd,
        cast(round({{ quotient('sum(effect_usd)', days_before) }}, 2) as decimal(18, 2)) as incremental_sales_usd,
        cast(round(sqrt(sum(variance)) / {{ days_before }}, 2) as decimal(18, 2)) as standard_error_usd
    from compared
    group by campaign_id, comparison
    having sum(targets) >= {{ least_households }} and sum(controls) >= {{ least_households }}
),

final as (
    select
        periods.campaign_id,
        campaigns.campaign_type,
        periods.comparison,
        windows.first_date as compared_from_date,
        windows.last_date as compared_to_date,
        campaigns.targeted_households,
        coalesce(totals.matched_households, 0) as matched_households,
        coalesce(totals.control_households, 0) as control_households,
        coalesce(totals.controls_elsewhere, 0) as controls_elsewhere,
        {{ rounded('(totals.target_mean - totals.control_mean) / nullif(totals.target_deviation, 0)') }}
            as spend_difference_unmatched,
        {{ rounded('(totals.target_mean - totals.matched_mean) / nullif(totals.target_deviation, 0)') }}
            as spend_difference_matched,
        totals.matched_sales_usd,
        totals.incremental_sales_usd,
        totals.standard_error_usd,
        {{ interval_end('totals.incremental_sales_usd', '-', 'totals.standard_error_usd') }} as incremental_from_usd,
        {{ interval_end('totals.incremental_sales_usd', '+', 'totals.standard_error_usd') }} as incremental_to_usd,
        case
            when totals.incremental_sales_usd is null then 'cannot be compared'
            when totals.incremental_sales_usd > 1.96 * totals.standard_error_usd then 'sold more'
            when totals.incremental_sales_usd < -1.96 * totals.standard_error_usd then 'sold less'
            else 'no difference seen'
        end as campaign_finding
    from periods
    inner join campaigns
        on periods.campaign_id = campaigns.campaign_id
    left join windows
        on
            periods.campaign_id = windows.campaign_id
            and periods.comparison = windows.comparison
    left join totals
        on
            periods.campaign_id = totals.campaign_id
            and periods.comparison = totals.comparison
)

select * from final

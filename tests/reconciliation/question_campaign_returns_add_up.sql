{#
  Every campaign whose 28 days after are delivered, and 56 days before, has both of its periods, with the targeted households that
  bought before, but not in the 28 days before it, and those of them that bought in the period.
  Fails? A household is in two strata of agg_campaign_returns, or a target or basket was lost in a join.
#}
with mart as (
    select * from {{ ref('agg_campaign_returns') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

delivered as (
    select
        min(business_date) as first_date,
        max(business_date) as last_date
    from baskets
),

visits as (
    select
        campaigns.campaign_id,
        targets.household_id,
        count(case when baskets.business_date < campaigns.start_date then 1 end) as before,
        count(case when baskets.business_date between campaigns.start_date - 28 and campaigns.start_date - 1 then 1 end)
            as just_before,
        count(case when baskets.business_date between campaigns.start_date and campaigns.end_date then 1 end) as during,
        count(case when baskets.business_date between campaigns.end_date + 1 and campaigns.end_date + 28 then 1 end)
            as afterwards
    from campaigns
    cross join delivered
    left join targets
        on campaigns.campaign_id = targets.campaign_id
    left join baskets
        on targets.household_id = baskets.household_id
    where
        campaigns.start_date - 56 >= delivered.first_date
        and campaigns.end_date + 28 <= delivered.last_date
    group by campaigns.campaign_id, targets.household_id
),

counted as (
    select
        campaign_id,
        count(case when before > 0 and just_before = 0 then 1 end) as absent_households,
        count(case when before > 0 and just_before = 0 and during > 0 then 1 end) as during,
        count(case when before > 0 and just_before = 0 and afterwards > 0 then 1 end) as afterwards
    from visits
    group by campaign_id
),

expected as (
    select
        campaign_id,
        'during' as return_period,
        absent_households,
        during as returned_households
    from counted
    union all
    select
        campaign_id,
        'after' as return_period,
        absent_households,
        afterwards as returned_households
    from counted
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='mart',
        by=['campaign_id', 'return_period'],
        sums=['absent_households', 'returned_households']
    ) }}
)

select * from final

-- grain: one row per as-of date, campaign and household that the campaign targets
with campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

-- The next day to come: all that has been delivered is before it. Never today's date.
deliveries as (
    select cast({{ dbt.dateadd('day', 1, 'max(business_date)') }} as date) as next_date
    from baskets
),

campaign_days as (
    select
        campaigns.campaign_id,
        campaigns.start_date as before_date
    from campaigns
    inner join deliveries
        on campaigns.start_date <= deliveries.next_date
    -- union, not union all: a campaign may begin on the next day
    union
    select
        campaigns.campaign_id,
        deliveries.next_date as before_date
    from campaigns
    inner join deliveries
        on deliveries.next_date between campaigns.start_date and campaigns.end_date
),

final as (
    select
        campaign_days.before_date,
        campaign_days.campaign_id,
        targets.household_id,
        campaign_days.before_date = deliveries.next_date as is_latest
    from campaign_days
    inner join targets
        on campaign_days.campaign_id = targets.campaign_id
    cross join deliveries
)

select * from final

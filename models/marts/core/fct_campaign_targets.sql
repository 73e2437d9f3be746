-- grain: one row per campaign and household that it targets
with campaign_households as (
    select * from {{ ref('stg_campaigns__campaign_households') }}
),

final as (
    -- grouped: the application may hold a pair under two ids, which is one target
    select
        campaign_id,
        household_id
    from campaign_households
    group by campaign_id, household_id
)

select * from final

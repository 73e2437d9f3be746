-- grain: one row per targeting record of the campaign application, as last changed
with campaign_households as (
    select * from {{ source('campaigns', 'campaign_households') }}
),

-- Loaded by cursor: a changed row comes again with a later updated_at. Within one load equal times are the same row.
versions as (
    select
        *,
        row_number() over (
            partition by id
            order by updated_at desc, _dlt_load_id desc
        ) as version_rank
    from campaign_households
),

final as (
    select
        id as campaign_household_id,
        campaign_id,
        household_id,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from versions
    where version_rank = 1
)

select * from final

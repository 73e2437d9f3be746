-- grain: one row per campaign, as last changed
with campaigns as (
    select * from {{ source('campaigns', 'campaigns') }}
),

-- Loaded by cursor: a changed row comes again with a later updated_at. Within one load equal times are the same row.
versions as (
    select
        *,
        row_number() over (
            partition by campaign_id
            order by updated_at desc, _dlt_load_id desc
        ) as version_rank
    from campaigns
),

final as (
    select
        campaign_id,
        replace(campaign_type, 'Type ', '') as campaign_type,
        start_date,
        end_date,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from versions
    where version_rank = 1
)

select * from final

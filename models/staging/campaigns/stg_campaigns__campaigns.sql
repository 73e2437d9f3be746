-- grain: one row per campaign, as last changed
with latest as (
    {{ latest_records('campaigns', 'campaigns', key='campaign_id') }}
),

final as (
    select
        campaign_id,
        replace(campaign_type, 'Type ', '') as campaign_type,
        start_date,
        end_date,
        is_deleted,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from latest
)

select * from final

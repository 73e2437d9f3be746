-- grain: one row per targeting record of the campaign application, as last changed
with latest as (
    {{ latest_records('campaigns', 'campaign_households', key='id') }}
),

final as (
    select
        id as campaign_household_id,
        campaign_id,
        household_id,
        is_deleted,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from latest
)

select * from final

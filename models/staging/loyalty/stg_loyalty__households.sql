-- grain: one row per household with a loyalty card, as last changed
with latest as (
    {{ latest_records('loyalty', 'households', key='household_id') }}
),

final as (
    select
        household_id,
        postal_code,
        registered_on as registered_date,
        is_deleted,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from latest
)

select * from final

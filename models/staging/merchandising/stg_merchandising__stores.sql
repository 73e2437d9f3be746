-- grain: one row per store, as last changed
with latest as (
    {{ latest_records('merchandising', 'stores', key='store_id') }}
),

final as (
    select
        store_id,
        till_system,
        is_deleted,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from latest
)

select * from final

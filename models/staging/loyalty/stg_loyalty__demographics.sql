-- grain: one row per household that gave demographics, as last changed
with latest as (
    {{ latest_records('loyalty', 'demographics', key='household_id') }}
),

final as (
    select
        household_id,
        age as age_band,
        income as income_band,
        home_ownership,
        marital_status,
        household_size,
        household_comp as household_composition,
        kids_count,
        home_ownership is null as is_missing_home_ownership,
        marital_status is null as is_missing_marital_status,
        is_deleted,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from latest
)

select * from final

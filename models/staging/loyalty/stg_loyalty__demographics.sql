-- grain: one row per household that told about itself, as last changed
with demographics as (
    select * from {{ source('loyalty', 'demographics') }}
),

-- Loaded by cursor: a changed row comes again with a later updated_at. Within one load equal times are the same row.
versions as (
    select
        *,
        row_number() over (
            partition by household_id
            order by updated_at desc, _dlt_load_id desc
        ) as version_rank
    from demographics
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
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from versions
    where version_rank = 1
)

select * from final

-- grain: one row per household that told about itself, as last changed
with demographics as (
    select * from {{ source('loyalty', 'demographics') }}
),

deletions as (
    select * from {{ source('loyalty', 'deletions') }}
),

-- Each load brings what the source shows at that time: its last word about a record counts, be it row or deletion.
versions as (
    select
        *,
        row_number() over (
            partition by household_id
            order by _dlt_load_id desc, updated_at desc
        ) as version_rank
    from demographics
),

deleted as (
    select
        record_key,
        max(_dlt_load_id) as load_id
    from deletions
    where table_name = 'demographics'
    group by record_key
),

latest as (
    select
        versions.*,
        coalesce(deleted.load_id > versions._dlt_load_id, false) as is_deleted
    from versions
    left join deleted
        on versions.household_id = deleted.record_key
    where versions.version_rank = 1
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

-- grain: one row per household and store-local day on which it gave demographics, as of the end of that day
with versions as (
    {{ records_by_day('loyalty', 'demographics', key='household_id') }}
),

deleted as (
    {{ last_deletions('loyalty', 'demographics') }}
),

final as (
    select
        versions.household_id,
        versions.updated_date,
        versions.age as age_band,
        versions.income as income_band,
        versions.home_ownership,
        versions.marital_status,
        versions.household_size,
        versions.household_comp as household_composition,
        versions.kids_count,
        coalesce(deleted.load_id > versions._dlt_load_id, false) as is_deleted
    from versions
    left join deleted
        on versions.household_id = deleted.record_key
)

select * from final

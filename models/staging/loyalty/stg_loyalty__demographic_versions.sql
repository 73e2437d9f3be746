-- grain: one row per household and store-local day on which it told about itself, as that day left it
with demographics as (
    select * from {{ source('loyalty', 'demographics') }}
),

deletions as (
    select * from {{ source('loyalty', 'deletions') }}
),

dated as (
    select
        *,
        {{ store_local_date('updated_at') }} as updated_date
    from demographics
),

-- Each load brings what the source shows at that time. What it says of a day, a later load may replace, back to the
-- earliest day that this one bears: the source's last word counts, and its days only go forward.
versions as (
    select
        *,
        min(updated_date) over (
            partition by household_id
            order by _dlt_load_id desc, updated_at desc
            rows between unbounded preceding and 1 preceding
        ) as replaced_from_date
    from dated
),

deleted as (
    select
        record_key,
        max(_dlt_load_id) as load_id
    from deletions
    where table_name = 'demographics'
    group by record_key
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
    where versions.replaced_from_date is null or versions.updated_date < versions.replaced_from_date
)

select * from final

-- grain: one row per household and store-local day on which the CRM wrote it, as that day left it
with households as (
    select * from {{ source('loyalty', 'households') }}
),

dated as (
    select
        *,
        {{ store_local_date('updated_at') }} as updated_date
    from households
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

final as (
    select
        household_id,
        updated_date,
        postal_code,
        registered_on as registered_date
    from versions
    where replaced_from_date is null or updated_date < replaced_from_date
)

select * from final

-- grain: one row per household with a loyalty card, as last changed
with households as (
    select * from {{ source('loyalty', 'households') }}
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
    from households
),

deleted as (
    select
        record_key,
        max(_dlt_load_id) as load_id
    from deletions
    where table_name = 'households'
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
        first_name,
        last_name,
        email,
        phone,
        postal_code,
        birth_date,
        registered_on as registered_date,
        is_deleted,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from latest
)

select * from final

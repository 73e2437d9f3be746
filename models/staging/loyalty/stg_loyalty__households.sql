-- grain: one row per household with a loyalty card, as last changed
with households as (
    select * from {{ source('loyalty', 'households') }}
),

-- Loaded by cursor: a changed row comes again with a later updated_at. Within one load equal times are the same row.
versions as (
    select
        *,
        row_number() over (
            partition by household_id
            order by updated_at desc, _dlt_load_id desc
        ) as version_rank
    from households
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
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from versions
    where version_rank = 1
)

select * from final

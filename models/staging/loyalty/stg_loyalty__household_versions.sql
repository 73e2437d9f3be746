-- grain: one row per household and store-local day on which the CRM wrote it, as that day left it
with versions as (
    {{ records_by_day('loyalty', 'households', key='household_id') }}
),

final as (
    select
        household_id,
        updated_date,
        postal_code,
        registered_on as registered_date
    from versions
)

select * from final

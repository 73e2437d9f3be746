-- grain: one row per household with a loyalty card and version
with household_versions as (
    select * from {{ ref('stg_loyalty__household_versions') }}
),

demographic_versions as (
    select * from {{ ref('stg_loyalty__demographic_versions') }}
    -- What a household has taken back is gone from its history as well.
    where not is_deleted
),

addressed as (
    select
        household_id,
        updated_date,
        registered_date,
        lag(updated_date) over (partition by household_id order by updated_date) is null as is_first,
        lag(updated_date) over (partition by household_id order by updated_date) is null
        or (postal_code is distinct from lag(postal_code) over (partition by household_id order by updated_date))
            as is_new_address
    from household_versions
),

-- The postal code itself stays in staging: that a household moved, and when, needs no address.
registrations as (
    select
        household_id,
        -- The oldest delivery of a household is all that is known of the time before.
        case when is_first then cast('1900-01-01' as date) else updated_date end as from_date,
        lead(updated_date) over (partition by household_id order by updated_date) as until_date,
        registered_date,
        cast(sum(case when is_new_address then 1 else 0 end) over (
            partition by household_id order by updated_date rows unbounded preceding
        ) as integer) as address_number
    from addressed
),

demographics as (
    select
        *,
        lead(updated_date) over (partition by household_id order by updated_date) as until_date
    from demographic_versions
),

-- union, not union all: both records may be written on the same day.
days as (
    select
        household_id,
        updated_date as state_date
    from household_versions
    union
    select
        household_id,
        updated_date as state_date
    from demographic_versions
),

states as (
    select
        days.household_id,
        days.state_date,
        registrations.registered_date,
        registrations.address_number,
        demographics.household_id is not null as has_demographics,
        coalesce(demographics.age_band, 'Unknown') as age_band,
        coalesce(demographics.income_band, 'Unknown') as income_band,
        coalesce(demographics.home_ownership, 'Unknown') as home_ownership,
        coalesce(demographics.marital_status, 'Unknown') as marital_status,
        coalesce(demographics.household_size, 'Unknown') as household_size,
        coalesce(demographics.household_composition, 'Unknown') as household_composition,
        coalesce(demographics.kids_count, 'Unknown') as kids_count
    from days
    inner join registrations
        on
            days.household_id = registrations.household_id
            and days.state_date >= registrations.from_date
            and days.state_date < coalesce(registrations.until_date, cast('9999-12-31' as date))
    left join demographics
        on
            days.household_id = demographics.household_id
            and days.state_date >= demographics.updated_date
            and days.state_date < coalesce(demographics.until_date, cast('9999-12-31' as date))
),

compared as (
    select
        *,
        {{ begins_version('household_id', [
            'registered_date', 'address_number', 'has_demographics', 'age_band', 'income_band', 'home_ownership',
            'marital_status', 'household_size', 'household_composition', 'kids_count',
        ]) }} as is_begin
    from states
),

final as (
    select
        household_id,
        {{ version_columns('household_id') }},
        registered_date,
        address_number,
        has_demographics,
        age_band,
        income_band,
        home_ownership,
        marital_status,
        household_size,
        household_composition,
        kids_count
    from compared
    where is_begin
)

select * from final

-- grain: one row per household with a loyalty card
with households as (
    select * from {{ ref('stg_loyalty__households') }}
),

demographics as (
    select * from {{ ref('stg_loyalty__demographics') }}
    where not is_deleted
),

age_bands as (
    select * from {{ ref('age_bands') }}
),

income_bands as (
    select * from {{ ref('income_bands') }}
),

final as (
    select
        households.household_id,
        households.registered_date,
        coalesce(demographics.age_band, 'Unknown') as age_band,
        coalesce(demographics.income_band, 'Unknown') as income_band,
        coalesce(demographics.home_ownership, 'Unknown') as home_ownership,
        coalesce(demographics.marital_status, 'Unknown') as marital_status,
        coalesce(demographics.household_size, 'Unknown') as household_size,
        coalesce(demographics.household_composition, 'Unknown') as household_composition,
        coalesce(demographics.kids_count, 'Unknown') as kids_count,
        demographics.household_id is not null as has_demographics,
        households.is_deleted,
        age_bands.age_band_order,
        income_bands.income_band_order
    from households
    left join demographics
        on households.household_id = demographics.household_id
    left join age_bands
        on demographics.age_band = age_bands.age_band
    left join income_bands
        on demographics.income_band = income_bands.income_band
)

select * from final

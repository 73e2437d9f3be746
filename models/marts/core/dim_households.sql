-- grain: one row per household with a loyalty card: the CRM's, and one inferred member per id that only the facts know
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

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

-- union: a household has many lines, and may be on every side.
seen as (
    select household_id from basket_lines
    union
    select household_id from targets
    union
    select household_id from redemptions
),

-- A till may sell to a card, or a campaign target it, before the CRM has delivered it.
inferred as (
    select seen.household_id
    from seen
    left join households
        on seen.household_id = households.household_id
    where households.household_id is null
),

members as (
    select
        household_id,
        registered_date,
        is_deleted,
        false as is_unknown
    from households
    union all
    select
        household_id,
        cast(null as date) as registered_date,
        false as is_deleted,
        true as is_unknown
    from inferred
),

final as (
    select
        members.household_id,
        members.registered_date,
        coalesce(demographics.age_band, 'Unknown') as age_band,
        coalesce(demographics.income_band, 'Unknown') as income_band,
        coalesce(demographics.home_ownership, 'Unknown') as home_ownership,
        coalesce(demographics.marital_status, 'Unknown') as marital_status,
        coalesce(demographics.household_size, 'Unknown') as household_size,
        coalesce(demographics.household_composition, 'Unknown') as household_composition,
        coalesce(demographics.kids_count, 'Unknown') as kids_count,
        demographics.household_id is not null as has_demographics,
        members.is_unknown,
        members.is_deleted,
        age_bands.age_band_order,
        income_bands.income_band_order
    from members
    left join demographics
        on members.household_id = demographics.household_id
    left join age_bands
        on demographics.age_band = age_bands.age_band
    left join income_bands
        on demographics.income_band = income_bands.income_band
)

select * from final

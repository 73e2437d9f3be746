-- grain: one row per display location and mailer location
with cases as (
    select * from {{ ref('agg_promotion_cases_weekly') }}
),

clusters as (
    select
        display_location,
        mailer_location,
        product_id,
        count(*) as cases,
        cast(sum(units) as bigint) as units,
        cast(sum(expected_units) as decimal(18, 6)) as expected_units,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd + coupon_match_discount_usd) as retailer_discount_usd
    from cases
    where expected_units is not null
    group by display_location, mailer_location, product_id
),

lifts as (
    {{ lift_by('clusters', ['display_location', 'mailer_location']) }}
),

display_locations as (
    select * from {{ ref('display_locations') }}
),

mailer_locations as (
    select * from {{ ref('mailer_locations') }}
),

final as (
    select
        lifts.display_location,
        display_locations.display_location_name,
        lifts.mailer_location,
        mailer_locations.mailer_location_name,
        lifts.cases,
        lifts.products,
        lifts.units,
        lifts.expected_units,
        lifts.sales_usd,
        lifts.retailer_discount_usd,
        lifts.discount_rate,
        lifts.lift,
        lifts.lift_from,
        lifts.lift_to,
        lifts.finding
    from lifts
    inner join display_locations
        on lifts.display_location = display_locations.display_location
    inner join mailer_locations
        on lifts.mailer_location = mailer_locations.mailer_location
)

select * from final

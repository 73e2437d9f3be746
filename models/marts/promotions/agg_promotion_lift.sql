-- grain: one row per display location and mailer location
with cases as (
    select * from {{ ref('agg_promotion_cases_weekly') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

-- Of the cases that are judged, and so of all figures of a row.
buyers as (
    {{ lift_households('cases', 'basket_lines', ['display_location', 'mailer_location']) }}
),

clusters as (
    {{ lift_clusters('cases', ['display_location', 'mailer_location']) }}
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
        coalesce(buyers.households, 0) as households,
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
    left join buyers
        on
            lifts.display_location = buyers.display_location
            and lifts.mailer_location = buyers.mailer_location
)

select * from final

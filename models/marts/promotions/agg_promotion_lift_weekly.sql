-- grain: one row per week, display location and mailer location; 'any' where a place is not looked at
with cases as (
    select * from {{ ref('agg_promotion_cases_weekly') }}
    where expected_units is not null
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

display_locations as (
    select * from {{ ref('display_locations') }}
),

mailer_locations as (
    select * from {{ ref('mailer_locations') }}
),

looks as (
    select
        displays.looks_at_display,
        mailers.looks_at_mailer
    from (values (true), (false)) as displays (looks_at_display)
    cross join (values (true), (false)) as mailers (looks_at_mailer)
),

cases_of_places as (
    select
        cases.product_id,
        cases.store_id,
        cases.week_number,
        case when looks.looks_at_display then cases.display_location else 'any' end as display_location,
        case when looks.looks_at_mailer then cases.mailer_location else 'any' end as mailer_location,
        cases.units,
        cases.expected_units,
        cases.sales_usd,
        cases.loyalty_discount_usd,
        cases.coupon_match_discount_usd
    from cases
    cross join looks
),

clusters as (
    {{ lift_clusters('cases_of_places', ['week_number', 'display_location', 'mailer_location']) }}
),

lifts as (
    {{ lift_by('clusters', ['week_number', 'display_location', 'mailer_location']) }}
),

buyers as (
    {{ lift_households('cases_of_places', 'basket_lines', ['week_number', 'display_location', 'mailer_location']) }}
),

final as (
    select
        lifts.week_number,
        lifts.display_location,
        coalesce(display_locations.display_location_name, 'any') as display_location_name,
        lifts.mailer_location,
        coalesce(mailer_locations.mailer_location_name, 'any') as mailer_location_name,
        lifts.cases,
        lifts.products,
        coalesce(buyers.households, 0) as households,
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
    left join display_locations
        on lifts.display_location = display_locations.display_location
    left join mailer_locations
        on lifts.mailer_location = mailer_locations.mailer_location
    left join buyers
        on
            lifts.week_number = buyers.week_number
            and lifts.display_location = buyers.display_location
            and lifts.mailer_location = buyers.mailer_location
)

select * from final

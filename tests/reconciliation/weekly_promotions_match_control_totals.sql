{#
  Every week up to the last one delivered has the placements, repeats, products, stores, displays and mailers that the
  source's own file has (seed control_totals_weekly_promotions, moved to where the plans have that year; other
  weeks have none); that no plan is missing at the year's end is the work of
  year_has_every_plan. Counted in the two tables that promotions_match_their_counts compares with fct_promotions. A week of which
  rows are in quarantine or were discarded is counted in observe.ledger, and not compared here.
  Fails? A week that is short or double: look for its file in the landing folder, and for its rows in `larder quarantine list`. A plan
  that came too early makes the weeks before it missing. Have them delivered, then `larder ingest promotions` and `larder build`.
#}
with stores as (
    select * from {{ ref('agg_promotion_stores_weekly') }}
),

products as (
    select * from {{ ref('agg_promotion_products_weekly') }}
),

control_totals as (
    {{ control_totals_weekly_promotions() }}
),

last_delivery as (
    select max(week_number) as week_number
    from stores
),

short_weeks as (
    {{ days_short_of_rows('promotions', 'placements') }}
),

counted as (
    select
        week_number,
        store_id,
        null as product_id,
        placed_rows as placements,
        placed_cases,
        displayed_cases,
        mailed_cases
    from stores
    union all
    select
        week_number,
        null as store_id,
        product_id,
        0 as placements,
        0 as placed_cases,
        0 as displayed_cases,
        0 as mailed_cases
    from products
),

control_bounds as (
    select
        min(week_number) as first_week,
        max(week_number) as last_week
    from control_totals
),

actual as (
    select counted.*
    from counted
    inner join control_bounds
        on counted.week_number between control_bounds.first_week and control_bounds.last_week
    where {{ retail_week_start('counted.week_number') }} not in (select short_weeks.business_date from short_weeks)
),

expected as (
    select control_totals.*
    from control_totals
    inner join last_delivery
        on control_totals.week_number <= last_delivery.week_number
    where
        {{ retail_week_start('control_totals.week_number') }} not in (
            select short_weeks.business_date from short_weeks
        )
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='actual',
        by=['week_number'],
        sums=['placements'],
        also={
            'repeats': ['sum(repeats)', 'sum(placements - placed_cases)'],
            'products': ['sum(products)', 'count(distinct product_id)'],
            'stores': ['sum(stores)', 'count(distinct store_id)'],
            'displayed': ['sum(displayed)', 'sum(displayed_cases)'],
            'mailed': ['sum(mailed)', 'sum(mailed_cases)'],
        }
    ) }}
)

select * from final

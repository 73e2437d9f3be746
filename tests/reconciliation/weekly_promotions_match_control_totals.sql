{#
  Every week up to the last one delivered has the placements, repeats, products, stores, displays and mailers that the
  source's own file has (seed control_totals_weekly_promotions); with the year complete, all 53 weeks are there.
  Fails? A week that is short or double: look for its file in the landing folder, the quarantine and the lake.
#}
with promotions as (
    select * from {{ ref('fct_promotions') }}
),

control_totals as (
    select * from {{ ref('control_totals_weekly_promotions') }}
),

last_delivery as (
    select max(week_number) as week_number
    from promotions
),

actual as (
    select
        week_number,
        sum(placements) as placements,
        sum(placements - 1) as repeats,
        -- distinct: a product is placed in many stores, a store places many products
        count(distinct product_id) as products,
        count(distinct store_id) as stores,
        sum(case when is_displayed then 1 else 0 end) as displayed,
        sum(case when is_mailed then 1 else 0 end) as mailed
    from promotions
    group by week_number
),

expected as (
    select control_totals.*
    from control_totals
    left join last_delivery
        on control_totals.week_number <= last_delivery.week_number
    where last_delivery.week_number is not null or {{ year_is_complete() }}
),

final as (
    select
        coalesce(actual.week_number, expected.week_number) as week_number,
        actual.placements as actual_placements,
        expected.placements as expected_placements,
        actual.repeats as actual_repeats,
        expected.repeats as expected_repeats
    from actual
    full outer join expected
        on actual.week_number = expected.week_number
    where
        actual.placements is distinct from expected.placements
        or actual.repeats is distinct from expected.repeats
        or actual.products is distinct from expected.products
        or actual.stores is distinct from expected.stores
        or actual.displayed is distinct from expected.displayed
        or actual.mailed is distinct from expected.mailed
)

select * from final

{#
  Every week up to the last one delivered has the placements, repeats, products, stores, displays and mailers that the
  source's own file has (seed control_totals_weekly_promotions); with the year complete, all 53 weeks are there. A week
  of which rows are in quarantine or were discarded is accounted for in observe.ledger, and not judged here.
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

short_weeks as (
    {{ days_short_of_rows('promotions', 'placements') }}
),

actual as (
    select * from promotions
    where {{ retail_week_start('week_number') }} not in (select short_weeks.business_date from short_weeks)
),

expected as (
    select control_totals.*
    from control_totals
    left join last_delivery
        on control_totals.week_number <= last_delivery.week_number
    where
        (last_delivery.week_number is not null or {{ year_is_complete() }})
        and {{ retail_week_start('control_totals.week_number') }} not in (
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
            'repeats': ['sum(repeats)', 'sum(placements - 1)'],
            'products': ['sum(products)', 'count(distinct product_id)'],
            'stores': ['sum(stores)', 'count(distinct store_id)'],
            'displayed': ['sum(displayed)', 'sum(case when is_displayed then 1 else 0 end)'],
            'mailed': ['sum(mailed)', 'sum(case when is_mailed then 1 else 0 end)'],
        }
    ) }}
)

select * from final

{#
  Once the year that has control totals is complete, each of its 53 weeks has a promotion plan. In addition to
  weekly_promotions_match_control_totals, which compares the weeks up to the last one delivered: only the tills show that the year has ended. A week
  of which rows are in quarantine or were discarded is counted in observe.ledger, and not compared here.
  Fails? The week's file never came: look for it in the landing folder.
#}
with control_totals as (
    {{ control_totals_weekly_promotions() }}
),

stores as (
    select * from {{ ref('agg_promotion_stores_weekly') }}
),

short_weeks as (
    {{ days_short_of_rows('promotions', 'placements') }}
),

final as (
    select control_totals.week_number
    from control_totals
    where
        {{ control_year_is_complete() }}
        and control_totals.week_number not in (select stores.week_number from stores)
        and {{ retail_week_start('control_totals.week_number') }} not in (
            select short_weeks.business_date from short_weeks
        )
)

select * from final

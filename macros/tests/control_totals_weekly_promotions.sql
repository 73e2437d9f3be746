{#
  Seed control_totals_weekly_promotions as a query, for the weeks in which the delivered plans have that year: see
  control_totals_daily. Moved by 364 days is moved by 52 weeks.
#}
{% macro control_totals_weekly_promotions() %}
    select
        cast(totals.week_number + 52 * moves.moves as integer) as week_number,
        totals.placements,
        totals.repeats,
        totals.products,
        totals.stores,
        totals.displayed,
        totals.mailed
    from {{ ref('control_totals_weekly_promotions') }} as totals
    cross join (
        select cast(greatest(floor((min(week_number) - 1) / 52), 0) as integer) as moves
        from {{ ref('agg_promotion_stores_weekly') }}
    ) as moves
{% endmacro %}

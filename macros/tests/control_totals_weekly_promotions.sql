{#
  Seed control_totals_weekly_promotions as a query, for the weeks in which the delivered plans have that year: see
  control_totals_daily. Moved by 364 days is moved by 52 weeks.
#}
{% macro control_totals_weekly_promotions() %}
    select
        cast(control_totals.week_number + 52 * moves.moves as integer) as week_number,
        control_totals.placements,
        control_totals.repeats,
        control_totals.products,
        control_totals.stores,
        control_totals.displayed,
        control_totals.mailed
    from {{ ref('control_totals_weekly_promotions') }} as control_totals
    cross join (
        select cast(greatest(floor((min(week_number) - 1) / 52), 0) as integer) as moves
        from {{ ref('agg_promotion_stores_weekly') }}
    ) as moves
{% endmacro %}

{#
  Seed control_totals_daily as a query, for the days on which the delivered data have that year. The demo may serve it moved by
  364 days, a number of times (`larder demo start --first-year`): so many as fit between the first day of the seed and the first
  day with sales. Where some of the first days are missing, the number is the same.
#}
{% macro control_totals_daily() %}
    select
        cast({{ dbt.dateadd('day', '364 * moves.moves', 'totals.business_date') }} as date) as business_date,
        totals.lines,
        totals.baskets,
        totals.households,
        totals.sales_usd,
        totals.loyalty_discount_usd,
        totals.coupon_discount_usd,
        totals.coupon_match_discount_usd
    from {{ ref('control_totals_daily') }} as totals
    cross join (
        select
            cast(greatest(floor(
                {{ dbt.datediff('min(seeded.business_date)', 'min(sold.business_date)', 'day') }} / 364
            ), 0) as integer) as moves
        from (select min(business_date) as business_date from {{ ref('control_totals_daily') }}) as seeded
        cross join (select min(business_date) as business_date from {{ ref('fct_basket_lines') }}) as sold
    ) as moves
{% endmacro %}

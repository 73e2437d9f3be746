{#
  agg_prices_weekly_category counts, in every week, each line with whole items and its money once; and so does, with its
  items, agg_demand_weekly_category in the weeks that it takes as complete.
  Fails? Only demand differs: a week is taken as complete whose last day is not delivered, or the other way round.
#}
with prices as (
    select * from {{ ref('agg_prices_weekly_category') }}
),

demand as (
    select * from {{ ref('agg_demand_weekly_category') }}
    -- a week without sales is one of 0 items, of which the fact says nothing
    where demand_units > 0
),

fact as (
    select * from {{ ref('fct_basket_lines') }}
),

complete_weeks as (
    select week_number
    from demand
    group by week_number
),

expected as (
    select
        fact.week_number,
        fact.units,
        fact.sales_usd,
        fact.loyalty_discount_usd + fact.coupon_match_discount_usd as retailer_discount_usd,
        case when complete_weeks.week_number is not null then fact.units else 0 end as demand_units
    from fact
    left join complete_weeks
        on fact.week_number = complete_weeks.week_number
    where fact.units > 0
),

actual as (
    {{ totals_of(by=['week_number'], relations={
        'prices': {
            'units': 'sum(units)',
            'sales_usd': 'sum(sales_usd)',
            'retailer_discount_usd': 'sum(retailer_discount_usd)',
        },
        'demand': {'demand_units': 'sum(demand_units)'},
    }) }}
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='actual',
        by=['week_number'],
        sums=['units', 'sales_usd', 'retailer_discount_usd', 'demand_units']
    ) }}
)

select * from final

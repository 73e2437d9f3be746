{#
  Every breakdown of agg_sales_periods adds up, in every period, to the days of agg_sales_daily that are in it, and its fuel to that of
  agg_sales_daily_department; baskets add up where each is in one member.
  Fails? A day is in two periods of a kind or in none (bridge_dates_periods), or a product has no member.
#}
with mart as (
    select * from {{ ref('agg_sales_periods') }}
),

daily_sales as (
    select * from {{ ref('agg_sales_daily') }}
),

daily_departments as (
    select * from {{ ref('agg_sales_daily_department') }}
),

period_days as (
    select * from {{ ref('bridge_dates_periods') }}
),

breakdowns as (
    select breakdown
    from mart
    group by breakdown
),

daily as (
    {{ totals_of(by=['business_date'], relations={
        'daily_sales': {
            'baskets': 'sum(baskets)',
            'units': 'sum(units)',
            'sales_usd': 'sum(sales_usd)',
            'retailer_discount_usd': 'sum(loyalty_discount_usd + coupon_match_discount_usd)',
            'coupon_discount_usd': 'sum(coupon_discount_usd)',
        },
        'daily_departments': {'fuel_sales_usd': "sum(case when brand_class = 'Fuel' then sales_usd else 0 end)"},
    }) }}
),

expected as (
    select
        period_days.period_kind,
        period_days.period_name,
        breakdowns.breakdown,
        case when breakdowns.breakdown in ('all', 'store') then daily.baskets end as baskets,
        daily.units,
        daily.sales_usd,
        daily.fuel_sales_usd,
        daily.retailer_discount_usd,
        daily.coupon_discount_usd
    from daily
    inner join period_days
        on daily.business_date = period_days.calendar_date
    cross join breakdowns
),

actual as (
    select
        period_kind,
        period_name,
        breakdown,
        case when breakdown in ('all', 'store') then baskets end as baskets,
        units,
        sales_usd,
        fuel_sales_usd,
        retailer_discount_usd,
        coupon_discount_usd
    from mart
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='actual',
        by=['period_kind', 'period_name', 'breakdown'],
        sums=['baskets', 'units', 'sales_usd', 'fuel_sales_usd', 'retailer_discount_usd', 'coupon_discount_usd']
    ) }}
)

select * from final

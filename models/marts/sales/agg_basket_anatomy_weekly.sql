-- grain: one row per retailer week, mission, band of units and band of value
with baskets as (
    select * from {{ ref('fct_basket_anatomy') }}
),

final as (
    select
        week_number,
        mission,
        units_band_from,
        value_band_from,
        -- distinct: a household may come many times a week
        count(distinct household_id) as households,
        count(*) as baskets,
        cast(sum(lines) as bigint) as lines,
        cast(sum(units) as bigint) as units,
        cast(sum(sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(fuel_sales_usd) as decimal(18, 2)) as fuel_sales_usd,
        cast(sum(private_label_sales_usd) as decimal(18, 2)) as private_label_sales_usd
    from baskets
    group by week_number, mission, units_band_from, value_band_from
)

select * from final

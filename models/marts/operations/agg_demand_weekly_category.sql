-- grain: one row per product category and complete retailer week, and the week to come
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

dates as (
    select * from {{ ref('dim_dates') }}
),

delivered as (
    select
        min(business_date) as first_date,
        max(business_date) as last_date
    from basket_lines
),

-- A week that began before the first delivered day is none. It is complete when its last day is delivered; one more is
-- to be planned.
weeks as (
    select
        dates.week_number,
        cast(ceil(extract(day from dates.week_start_date) / 7.0) as integer) as week_of_month,
        delivered.last_date >= {{ dbt.dateadd('day', 6, 'dates.week_start_date') }} as is_complete
    from dates
    inner join delivered
        on
            dates.week_start_date >= delivered.first_date
            and dates.week_start_date <= {{ dbt.dateadd('day', 1, 'delivered.last_date') }}
    where dates.week_number is not null
    group by dates.week_number, dates.week_start_date, delivered.last_date
),

sold as (
    select
        basket_lines.week_number,
        products.product_category,
        -- distinct: a household may buy many times a week
        count(distinct basket_lines.household_id) as households,
        cast(sum(basket_lines.units) as bigint) as units
    from basket_lines
    inner join products
        on basket_lines.product_id = products.product_id
    where basket_lines.line_kind = 'item'
    group by basket_lines.week_number, products.product_category
),

categories as (
    select
        product_category,
        min(week_number) as first_week
    from sold
    group by product_category
),

-- A week without a sale is a week of 0 items, from the first week on in which the category sold.
demand as (
    select
        categories.product_category,
        weeks.week_number,
        weeks.week_of_month,
        case when weeks.is_complete then coalesce(sold.households, 0) end as households,
        case when weeks.is_complete then coalesce(sold.units, 0) end as units
    from categories
    inner join weeks
        on categories.first_week <= weeks.week_number
    left join sold
        on
            categories.product_category = sold.product_category
            and weeks.week_number = sold.week_number
),

totals as (
    select
        week_number,
        week_of_month,
        sum(units) as units
    from demand
    group by week_number, week_of_month
),

total_paces as (
    select
        week_number,
        week_of_month,
        units,
        sum(units) over (
            order by week_number
            rows between 4 preceding and 1 preceding
        ) as four_week_units,
        count(units) over (
            order by week_number
            rows between 4 preceding and 1 preceding
        ) as four_weeks
    from totals
),

-- How far the whole trade was above its last four weeks, in a first, second, … week of a month; finer than the index
-- that is made of it.
total_ratios as (
    select
        week_number,
        week_of_month,
        case when four_weeks = 4 then {{ ratio('4 * units', 'four_week_units', 12) }} end as pace
    from total_paces
),

seasons as (
    select
        week_number,
        sum(pace) over (
            partition by week_of_month
            order by week_number
            rows between unbounded preceding and 1 preceding
        ) as earlier_paces,
        count(pace) over (
            partition by week_of_month
            order by week_number
            rows between unbounded preceding and 1 preceding
        ) as earlier_months
    from total_ratios
),

paces as (
    select
        product_category,
        week_number,
        units,
        lag(units) over (
            partition by product_category
            order by week_number
        ) as last_week_units,
        -- Of all weeks whose units can be told from the row; it tells of none where the first one is still running.
        coalesce(
            min(households) over (
                partition by product_category
                order by week_number
                rows between 4 preceding and current row
            ),
            0
        ) as fewest_households,
        sum(units) over (
            partition by product_category
            order by week_number
            rows between 4 preceding and 1 preceding
        ) as four_week_units,
        count(units) over (
            partition by product_category
            order by week_number
            rows between 4 preceding and 1 preceding
        ) as four_weeks
    from demand
),

forecasts as (
    select
        paces.week_number,
        paces.product_category,
        paces.fewest_households,
        paces.units as demand_units,
        paces.last_week_units,
        case when paces.four_weeks = 4 then {{ ratio('paces.four_week_units', '4') }} end as four_week_mean_units,
        {{ ratio('seasons.earlier_paces', 'seasons.earlier_months') }} as seasonal_index,
        case
            when paces.four_weeks = 4
                then {{ ratio('paces.four_week_units * seasons.earlier_paces', '4 * seasons.earlier_months') }}
        end as seasonal_units
    from paces
    inner join seasons
        on paces.week_number = seasons.week_number
),

final as (
    select
        week_number,
        product_category,
        fewest_households,
        demand_units,
        last_week_units,
        four_week_mean_units,
        seasonal_index,
        seasonal_units
    from forecasts
)

select * from final

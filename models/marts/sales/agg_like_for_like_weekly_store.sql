-- grain: one row per retailer week, base of the comparison, and store that sold in the week or in its base
with daily_sales as (
    select * from {{ ref('agg_sales_daily') }}
),

dates as (
    select * from {{ ref('dim_dates') }}
),

base_days as (
    select * from {{ ref('bridge_compared_days') }}
),

daily as (
    select
        daily_sales.week_number,
        daily_sales.store_id,
        daily_sales.baskets,
        daily_sales.sales_usd,
        dates.iso_day_of_week
    from daily_sales
    inner join dates
        on daily_sales.business_date = dates.calendar_date
),

compared_days as (
    select
        week_number,
        compared_with,
        weeks_in_base,
        iso_day_of_week
    from base_days
    group by week_number, compared_with, weeks_in_base, iso_day_of_week
),

day_counts as (
    select
        week_number,
        compared_with,
        weeks_in_base,
        count(*) as compared_days
    from compared_days
    group by week_number, compared_with, weeks_in_base
),

of_week as (
    select
        compared_days.week_number,
        compared_days.compared_with,
        daily.store_id,
        sum(daily.baskets) as baskets,
        sum(daily.sales_usd) as sales_usd
    from compared_days
    inner join daily
        on
            compared_days.week_number = daily.week_number
            and compared_days.iso_day_of_week = daily.iso_day_of_week
    group by compared_days.week_number, compared_days.compared_with, daily.store_id
),

of_base as (
    select
        base_days.week_number,
        base_days.compared_with,
        daily.store_id,
        -- distinct: a week has many days
        count(distinct daily.week_number) as weeks_with_sales,
        sum(daily.baskets) as baskets,
        sum(daily.sales_usd) as sales_usd
    from base_days
    inner join daily
        on
            base_days.base_week_number = daily.week_number
            and base_days.iso_day_of_week = daily.iso_day_of_week
    group by base_days.week_number, base_days.compared_with, daily.store_id
),

compared as (
    select
        coalesce(of_week.week_number, of_base.week_number) as week_number,
        coalesce(of_week.compared_with, of_base.compared_with) as compared_with,
        coalesce(of_week.store_id, of_base.store_id) as store_id,
        coalesce(of_week.baskets, 0) as baskets,
        coalesce(of_week.sales_usd, 0) as sales_usd,
        coalesce(of_base.baskets, 0) as base_baskets,
        coalesce(of_base.sales_usd, 0) as base_sales_usd,
        of_week.store_id is not null as has_sales,
        coalesce(of_base.weeks_with_sales, 0) as weeks_with_sales
    from of_week
    full outer join of_base
        on
            of_week.week_number = of_base.week_number
            and of_week.compared_with = of_base.compared_with
            and of_week.store_id = of_base.store_id
),

final as (
    select
        compared.week_number,
        compared.compared_with,
        compared.store_id,
        day_counts.compared_days,
        cast(compared.baskets as bigint) as baskets,
        cast(compared.sales_usd as decimal(18, 2)) as sales_usd,
        {{ money_per_unit('compared.base_baskets', 'day_counts.weeks_in_base') }} as base_baskets,
        {{ money_per_unit('compared.base_sales_usd', 'day_counts.weeks_in_base') }} as base_sales_usd,
        compared.has_sales and compared.weeks_with_sales = day_counts.weeks_in_base as is_like_for_like
    from compared
    inner join day_counts
        on
            compared.week_number = day_counts.week_number
            and compared.compared_with = day_counts.compared_with
)

select * from final

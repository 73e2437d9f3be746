-- grain: one row per retailer week and base of the comparison
with stores as (
    select * from {{ ref('agg_like_for_like_weekly_store') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

dates as (
    select * from {{ ref('dim_dates') }}
),

base_days as (
    select * from {{ ref('bridge_compared_days') }}
),

side_days as (
    select
        week_number,
        compared_with,
        'week' as side,
        week_number as side_week_number,
        iso_day_of_week
    from base_days
    group by week_number, compared_with, iso_day_of_week
    union all
    select
        week_number,
        compared_with,
        'base' as side,
        base_week_number as side_week_number,
        iso_day_of_week
    from base_days
),

-- A row speaks of four groups: who came in the week and in its base, to stores that are like for like and to others.
household_groups as (
    select
        stores.week_number,
        stores.compared_with,
        -- distinct: a household may come many times
        count(distinct baskets.household_id) as households
    from stores
    inner join side_days
        on
            stores.week_number = side_days.week_number
            and stores.compared_with = side_days.compared_with
    inner join dates
        on
            side_days.side_week_number = dates.week_number
            and side_days.iso_day_of_week = dates.iso_day_of_week
    inner join baskets
        on
            stores.store_id = baskets.store_id
            and dates.calendar_date = baskets.business_date
    group by stores.week_number, stores.compared_with, stores.is_like_for_like, side_days.side
),

fewest as (
    select
        week_number,
        compared_with,
        min(households) as fewest_households
    from household_groups
    group by week_number, compared_with
),

added as (
    select
        week_number,
        compared_with,
        compared_days,
        sum(case when is_like_for_like then 1 else 0 end) as like_for_like_stores,
        sum(case when is_like_for_like then baskets else 0 end) as baskets,
        sum(case when is_like_for_like then base_baskets else 0 end) as base_baskets,
        sum(case when is_like_for_like then sales_usd else 0 end) as sales_usd,
        sum(case when is_like_for_like then base_sales_usd else 0 end) as base_sales_usd,
        sum(case when is_like_for_like then 0 else sales_usd end) as other_sales_usd,
        sum(case when is_like_for_like then 0 else base_sales_usd end) as other_base_sales_usd
    from stores
    group by week_number, compared_with, compared_days
),

measured as (
    select
        added.*,
        fewest.fewest_households,
        added.sales_usd - added.base_sales_usd as change_usd,
        -- What the change in the number of baskets would have brought at the base's basket value.
        {{ ratio('(added.baskets - added.base_baskets) * added.base_sales_usd', 'added.base_baskets', 4) }}
            as traffic_effect_usd
    from added
    inner join fewest
        on
            added.week_number = fewest.week_number
            and added.compared_with = fewest.compared_with
),

final as (
    select
        week_number,
        compared_with,
        compared_days,
        fewest_households,
        cast(like_for_like_stores as bigint) as like_for_like_stores,
        cast(baskets as bigint) as baskets,
        cast(base_baskets as decimal(18, 4)) as base_baskets,
        cast(sales_usd as decimal(18, 2)) as sales_usd,
        cast(base_sales_usd as decimal(18, 4)) as base_sales_usd,
        cast(change_usd as decimal(18, 4)) as change_usd,
        {{ ratio('change_usd', 'base_sales_usd') }} as change_rate,
        traffic_effect_usd,
        cast(change_usd - traffic_effect_usd as decimal(18, 4)) as basket_value_effect_usd,
        cast(other_sales_usd as decimal(18, 2)) as other_sales_usd,
        cast(other_base_sales_usd as decimal(18, 4)) as other_base_sales_usd
    from measured
)

select * from final

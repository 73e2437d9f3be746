-- grain: one row per retailer week and base of the comparison
with stores as (
    select * from {{ ref('agg_like_for_like_weekly_store') }}
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
        *,
        sales_usd - base_sales_usd as change_usd,
        -- What the change in the number of baskets would have brought at the base's basket value.
        cast(round((baskets - base_baskets) * base_sales_usd / nullif(base_baskets, 0), 4) as decimal(18, 4))
            as traffic_effect_usd
    from added
),

final as (
    select
        week_number,
        compared_with,
        compared_days,
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

-- grain: one row per segment and lifecycle state of the households that have bought, as of the last delivered day
with households as (
    select * from {{ ref('agg_household_profile') }}
    where segment <> 'no_purchase'
),

segments as (
    select
        segment,
        lifecycle_state,
        as_of_date,
        count(*) as households,
        sum(case when value_decile = 1 then 1 else 0 end) as top_decile_households,
        sum(baskets) as baskets,
        sum(sales_usd) as sales_usd
    from households
    group by segment, lifecycle_state, as_of_date
),

final as (
    select
        segment,
        lifecycle_state,
        as_of_date,
        households,
        {{ ratio('households', 'sum(households) over ()') }} as household_share,
        cast(top_decile_households as bigint) as top_decile_households,
        {{ ratio('top_decile_households', 'households') }} as top_decile_share,
        cast(baskets as bigint) as baskets,
        cast(sales_usd as decimal(18, 2)) as sales_usd,
        {{ ratio('sales_usd', 'sum(sales_usd) over ()') }} as segment_sales_share,
        {{ money_per_unit('sales_usd', 'households') }} as sales_per_household_usd
    from segments
)

select * from final

-- grain: one row per product category and baseline
with demand as (
    select * from {{ ref('agg_demand_weekly_category') }}
),

-- The same weeks for all three, or an easy week would favour the one that has it.
judged as (
    select *
    from demand
    where demand_units is not null and last_week_units is not null and seasonal_units is not null
),

forecasts as (
    select
        product_category,
        fewest_households,
        'last week' as baseline,
        demand_units,
        cast(last_week_units as decimal(18, 6)) as forecast_units
    from judged
    union all
    select
        product_category,
        fewest_households,
        'mean of four weeks' as baseline,
        demand_units,
        four_week_mean_units as forecast_units
    from judged
    union all
    select
        product_category,
        fewest_households,
        'seasonal' as baseline,
        demand_units,
        seasonal_units as forecast_units
    from judged
),

errors as (
    select
        product_category,
        baseline,
        -- Of its best week: over all weeks they are no fewer.
        max(fewest_households) as fewest_households,
        count(*) as weeks,
        cast(sum(demand_units) as bigint) as forecast_demand_units,
        cast(sum(forecast_units) as decimal(18, 6)) as forecast_units,
        cast(sum(abs(forecast_units - demand_units)) as decimal(18, 6)) as absolute_error_units
    from forecasts
    group by product_category, baseline
),

final as (
    select
        product_category,
        baseline,
        fewest_households,
        weeks,
        forecast_demand_units,
        forecast_units,
        absolute_error_units,
        {{ ratio('absolute_error_units', 'weeks') }} as mean_absolute_error_units,
        {{ ratio('absolute_error_units', 'forecast_demand_units') }} as weighted_error,
        {{ ratio('forecast_units - forecast_demand_units', 'forecast_demand_units') }} as bias,
        row_number() over (
            partition by product_category
            order by absolute_error_units, baseline
        ) = 1 as is_best
    from errors
)

select * from final

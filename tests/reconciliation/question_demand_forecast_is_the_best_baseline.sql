{#
  The week to come is forecast by the baseline that agg_demand_accuracy calls the best of the category, with what
  agg_demand_weekly_category says it is.
  Fails? The two judge by other weeks, or part equal errors in another way.
#}
with forecasts as (
    select * from {{ ref('agg_demand_forecast_weekly_category') }}
    where demand_units is null
),

accuracy as (
    select * from {{ ref('agg_demand_accuracy') }}
    where is_best
),

demand as (
    select * from {{ ref('agg_demand_weekly_category') }}
),

final as (
    select
        forecasts.product_category,
        forecasts.baseline,
        accuracy.baseline as best_baseline,
        forecasts.week_forecast_units
    from forecasts
    left join accuracy
        on forecasts.product_category = accuracy.product_category
    left join demand
        on
            forecasts.product_category = demand.product_category
            and forecasts.week_number = demand.week_number
    where
        accuracy.baseline is distinct from forecasts.baseline
        or case forecasts.baseline
            when 'last week' then demand.last_week_units
            when 'mean of four weeks' then demand.four_week_mean_units
            else demand.seasonal_units
        end is distinct from forecasts.week_forecast_units
)

select * from final

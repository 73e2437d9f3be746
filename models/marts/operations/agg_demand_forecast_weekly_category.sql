-- grain: one row per product category and week that has nine earlier weeks to judge by, and the week to come
with demand as (
    select * from {{ ref('agg_demand_weekly_category') }}
    where last_week_units is not null and seasonal_units is not null
),

{% set baselines = {
    'last week': 'cast(last_week_units as decimal(18, 6))',
    'mean of four weeks': 'four_week_mean_units',
    'seasonal': 'seasonal_units',
} %}
forecasts as (
    {% for baseline, units in baselines.items() %}
        select
            product_category,
            week_number,
            fewest_households,
            demand_units,
            '{{ baseline }}' as baseline,
            {{ units }} as week_forecast_units,
            abs({{ units }} - demand_units) as error_units
        from demand
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- What was known of each baseline when the week began.
known as (
    select
        *,
        count(error_units) over (
            partition by product_category, baseline
            order by week_number
            rows between unbounded preceding and 1 preceding
        ) as known_errors,
        sum(error_units) over (
            partition by product_category, baseline
            order by week_number
            rows between unbounded preceding and 1 preceding
        ) as known_error_units
    from forecasts
),

ranked as (
    select
        *,
        row_number() over (
            partition by product_category, week_number
            order by known_error_units, baseline
        ) as place
    from known
    where known_errors >= 9
),

chosen as (
    select *
    from ranked
    where place = 1
),

ordered_errors as (
    select
        chosen.product_category,
        chosen.week_number,
        chosen.known_errors,
        earlier.error_units,
        row_number() over (
            partition by chosen.product_category, chosen.week_number
            order by earlier.error_units, earlier.week_number
        ) as place
    from chosen
    inner join forecasts as earlier
        on
            chosen.product_category = earlier.product_category
            and chosen.baseline = earlier.baseline
            and chosen.week_number > earlier.week_number
),

-- Nine of ten, with the week itself as one more (split conformal): if weeks are alike, at least 90 % are inside.
margins as (
    select
        product_category,
        week_number,
        error_units as margin_units
    from ordered_errors
    where place = ceil(0.9 * (known_errors + 1))
),

bounded as (
    select
        chosen.product_category,
        chosen.week_number,
        chosen.fewest_households,
        chosen.baseline,
        chosen.demand_units,
        chosen.week_forecast_units,
        greatest(chosen.week_forecast_units - margins.margin_units, 0) as forecast_from_units,
        chosen.week_forecast_units + margins.margin_units as forecast_to_units
    from chosen
    inner join margins
        on
            chosen.product_category = margins.product_category
            and chosen.week_number = margins.week_number
),

covered as (
    select
        *,
        demand_units between forecast_from_units and forecast_to_units as is_covered
    from bounded
),

final as (
    select
        week_number,
        product_category,
        fewest_households,
        baseline,
        demand_units,
        cast(week_forecast_units as decimal(18, 6)) as week_forecast_units,
        cast(forecast_from_units as decimal(18, 6)) as forecast_from_units,
        cast(forecast_to_units as decimal(18, 6)) as forecast_to_units,
        is_covered,
        count(is_covered) over (
            partition by product_category
            order by week_number
            rows between unbounded preceding and 1 preceding
        ) as judged_weeks,
        cast(
            coalesce(
                sum(case when is_covered then 1 else 0 end) over (
                    partition by product_category
                    order by week_number
                    rows between unbounded preceding and 1 preceding
                ),
                0
            ) as bigint
        ) as covered_weeks
    from covered
)

select * from final

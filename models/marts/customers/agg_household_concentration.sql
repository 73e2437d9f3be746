-- grain: one row per hundredth of the households that have bought, those that spend most first
with households as (
    select * from {{ ref('agg_household_value') }}
),

-- Equal sales are ordered by the id, as in agg_household_value.
ranked as (
    select
        as_of_date,
        sales_usd,
        row_number() over (order by sales_usd desc, household_id asc) as place,
        count(*) over () as all_households
    from households
),

hundredths as (
    select
        as_of_date,
        {{ whole_quotient('100 * (place - 1)', 'all_households') }} + 1 as percentile,
        all_households,
        count(*) as households,
        min(sales_usd) as least_sales_usd,
        sum(sales_usd) as sales_usd,
        -- How far the rank is above the middle one: for equal households these weights cancel out.
        sum((all_households + 1 - 2 * place) * sales_usd) as weighted_sales_usd
    from ranked
    group by as_of_date, {{ whole_quotient('100 * (place - 1)', 'all_households') }} + 1, all_households
),

accumulated as (
    select
        *,
        sum(households) over (order by percentile rows unbounded preceding) as cumulative_households,
        sum(sales_usd) over (order by percentile rows unbounded preceding) as cumulative_sales_usd,
        sum(sales_usd) over () as all_sales_usd,
        sum(weighted_sales_usd) over () as all_weighted_sales_usd
    from hundredths
),

final as (
    select
        cast(percentile as integer) as percentile,
        as_of_date,
        households,
        cast(sales_usd as decimal(18, 2)) as sales_usd,
        cast(least_sales_usd as decimal(18, 2)) as least_sales_usd,
        cast(cumulative_households as bigint) as cumulative_households,
        cast(cumulative_sales_usd as decimal(18, 2)) as cumulative_sales_usd,
        {{ ratio('cumulative_households', 'all_households') }} as cumulative_household_share,
        {{ ratio('cumulative_sales_usd', 'all_sales_usd') }} as cumulative_sales_share,
        -- One division of exact sums: the product is too large for whole numbers of 64 bits.
        cast(round(all_weighted_sales_usd / nullif(all_households * all_sales_usd, 0), 6) as decimal(18, 6))
            as gini_coefficient
    from accumulated
)

select * from final

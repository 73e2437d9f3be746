{#
  The tenths of agg_household_value are as even as they can be, and no household in a lower tenth spends more.
  Fails? The order of value_decile is no longer by sales, or sales changed without a build.
#}
with households as (
    select * from {{ ref('agg_household_value') }}
),

deciles as (
    select
        value_decile,
        count(*) as households,
        min(sales_usd) as least_sales_usd,
        max(sales_usd) as most_sales_usd
    from households
    group by value_decile
),

compared as (
    select
        *,
        lag(least_sales_usd) over (order by value_decile asc) as least_sales_usd_above,
        max(households) over () as most_households
    from deciles
),

final as (
    select * from compared
    where
        households < most_households - 1
        or most_sales_usd > least_sales_usd_above
)

select * from final

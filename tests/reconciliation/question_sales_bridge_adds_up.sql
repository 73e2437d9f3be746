{#
  The movements of agg_sales_bridge_weekly contain all sales and baskets of their four weeks, and of the four before.
  Fails? A household that bought in one of the spans has no movement, or two.
#}
with mart as (
    select * from {{ ref('agg_sales_bridge_weekly') }}
),

fact as (
    select * from {{ ref('fct_baskets') }}
),

weekly as (
    select
        week_number,
        count(*) as baskets,
        sum(sales_usd) as sales_usd
    from fact
    group by week_number
),

bridged_weeks as (
    select week_number
    from mart
    group by week_number
),

expected as (
    select
        bridged_weeks.week_number,
        case when weekly.week_number > bridged_weeks.week_number - 4 then weekly.baskets end as baskets,
        case when weekly.week_number > bridged_weeks.week_number - 4 then weekly.sales_usd end as sales_usd,
        case when weekly.week_number <= bridged_weeks.week_number - 4 then weekly.baskets end as previous_baskets,
        case when weekly.week_number <= bridged_weeks.week_number - 4 then weekly.sales_usd end as previous_sales_usd
    from bridged_weeks
    inner join weekly
        on weekly.week_number between bridged_weeks.week_number - 7 and bridged_weeks.week_number
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='mart',
        by=['week_number'],
        sums=['baskets', 'sales_usd', 'previous_baskets', 'previous_sales_usd']
    ) }}
)

select * from final

{#
  Where all seven days of a week are compared, the like-for-like stores and the others together sold what the week did, and
  in the base what the week before did: no store is lost, and none is on both sides of the line.
  Fails? agg_like_for_like_weekly_store has a store twice, or misses one that sold on one side only.
#}
with mart as (
    select * from {{ ref('agg_like_for_like_weekly') }}
),

fact as (
    select * from {{ ref('fct_baskets') }}
),

weekly as (
    select
        week_number,
        sum(sales_usd) as sales_usd
    from fact
    group by week_number
),

compared as (
    select
        week_number,
        sales_usd + other_sales_usd as sales_usd,
        base_sales_usd + other_base_sales_usd as base_sales_usd
    from mart
    where compared_with = 'previous_week' and compared_days = 7
),

expected as (
    select
        weekly.week_number,
        weekly.sales_usd,
        base.sales_usd as base_sales_usd
    from weekly
    inner join weekly as base
        on weekly.week_number - 1 = base.week_number
    inner join compared
        on weekly.week_number = compared.week_number
),

final as (
    {{ totals_agree(
        expected='expected', actual='compared', by=['week_number'], sums=['sales_usd', 'base_sales_usd']
    ) }}
)

select * from final

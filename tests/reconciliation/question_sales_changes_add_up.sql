{#
  In agg_sales_changes the members of each breakdown add up to the change of all between the same two periods, and their sales to
  those of agg_sales_periods. That the effects of a row add up to its change is in the contract.
  Fails? A member is lost that sold in one of the periods only.
#}
with mart as (
    select * from {{ ref('agg_sales_changes') }}
),

periods as (
    select * from {{ ref('agg_sales_periods') }}
    where breakdown = 'all'
),

breakdowns as (
    select
        period_kind,
        period_name,
        earlier_period_name,
        breakdown
    from mart
    group by period_kind, period_name, earlier_period_name, breakdown
),

expected as (
    select
        breakdowns.*,
        later.sales_usd,
        earlier.sales_usd as earlier_sales_usd,
        later.sales_usd - earlier.sales_usd as change_usd
    from breakdowns
    inner join periods as later
        on
            breakdowns.period_kind = later.period_kind
            and breakdowns.period_name = later.period_name
    inner join periods as earlier
        on
            breakdowns.period_kind = earlier.period_kind
            and breakdowns.earlier_period_name = earlier.period_name
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='mart',
        by=['period_kind', 'period_name', 'earlier_period_name', 'breakdown'],
        sums=['sales_usd', 'earlier_sales_usd', 'change_usd']
    ) }}
)

select * from final

{#
  A day of which rows were erased has as many lines as the source's own files, less those: what the other totals of the erased rows
  were, nobody keeps. Not while rows of the day are in quarantine as well.
  Fails? More than what was erased is missing, or less: see the day in observe.ledger.
#}
with control_totals as (
    {{ control_totals_daily() }}
),

ledger as (
    select * from {{ ref('ledger') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

erased_days as (
    select
        business_date,
        erased_rows
    from ledger
    where source_system = 'pos' and erased_rows > 0 and quarantined_rows = 0
),

mart_lines as (
    select
        business_date,
        count(*) as lines
    from basket_lines
    where is_settled
    group by business_date
),

final as (
    select
        control_totals.business_date,
        control_totals.lines,
        erased_days.erased_rows,
        coalesce(mart_lines.lines, 0) as mart_lines
    from control_totals
    inner join erased_days
        on control_totals.business_date = erased_days.business_date
    left join mart_lines
        on control_totals.business_date = mart_lines.business_date
    where control_totals.lines <> erased_days.erased_rows + coalesce(mart_lines.lines, 0)
)

select * from final

{#
  Once the year that has control totals is complete, and while no other is there, each fault has exactly the rows that the
  source's own files have. A warning: a line that is corrected later may have another fault, and is no reason to publish nothing.
  Fails? More rows: the source got worse, or a join doubles. Fewer: something drops rows in silence.
#}
{{ config(severity='warn') }}

with counted as (
    select * from {{ ref('agg_data_faults') }}
),

known as (
    select * from {{ ref('data_faults') }}
),

final as (
    select
        counted.fault_name,
        counted.fault_rows,
        known.control_rows
    from counted
    inner join known
        on counted.fault_name = known.fault_name
    where
        counted.fault_rows <> known.control_rows
        and {{ control_year_is_complete(alone=true) }}
)

select * from final

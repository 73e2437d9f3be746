{#
  Every fault that is counted is known (seed data_faults), every known one is counted, and once the year that has
  control totals is complete, and while no other is there, each has exactly the rows that the source's own files have.
  Fails? More rows: the source got worse, or a join doubles. Fewer: something drops rows in silence.
#}
with counted as (
    select * from {{ ref('agg_data_faults') }}
),

known as (
    select * from {{ ref('data_faults') }}
),

final as (
    select
        coalesce(counted.fault_name, known.fault_name) as fault_name,
        counted.fault_rows,
        known.control_rows
    from counted
    full outer join known
        on counted.fault_name = known.fault_name
    where
        counted.fault_name is null
        or known.fault_name is null
        or (counted.fault_rows <> known.control_rows and {{ control_year_is_complete(alone=true) }})
)

select * from final

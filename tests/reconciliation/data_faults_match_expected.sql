{#
  Every fault that is counted is known (seed data_faults), and every known one is counted.
  Fails? agg_data_faults counts a fault that the seed does not explain, or the other way round: add it there.
#}
with counted as (
    select * from {{ ref('agg_data_faults') }}
),

known as (
    select * from {{ ref('data_faults') }}
),

final as (
    select coalesce(counted.fault_name, known.fault_name) as fault_name
    from counted
    full outer join known
        on counted.fault_name = known.fault_name
    where counted.fault_name is null or known.fault_name is null
)

select * from final

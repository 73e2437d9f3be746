-- grain: one row per test that has run
with node_runs as (
    select * from {{ ref('fct_platform_node_runs') }}
),

runs as (
    select * from {{ ref('fct_platform_runs') }}
),

-- What was reused did not run: it is no fresh pass.
results as (
    select
        node_runs.node_id,
        node_runs.run_id,
        runs.began_at,
        node_runs.node_action = 'failed' as is_failed,
        row_number() over (partition by node_runs.node_id order by node_runs.run_id desc) as run_rank,
        lag(node_runs.node_action = 'failed') over (
            partition by node_runs.node_id
            order by node_runs.run_id
        ) as was_failed
    from node_runs
    inner join runs
        on node_runs.run_id = runs.run_id
    where
        node_runs.node_kind in ('test', 'unit_test')
        and node_runs.node_action in ('passed', 'warned', 'failed')
),

totals as (
    select
        node_id,
        count(*) as test_runs,
        count(case when is_failed then run_id end) as failed_runs,
        min(case when is_failed then began_at end) as first_failed_at,
        max(case when is_failed then began_at end) as last_failed_at,
        max(case when not is_failed then began_at end) as last_passed_at,
        count(case when run_rank <= 30 and is_failed <> was_failed then run_id end) as status_changes,
        max(case when run_rank = 1 and is_failed then 1 else 0 end) = 1 as is_failing
    from results
    group by node_id
),

final as (
    select
        node_id,
        split_part(node_id, '.', 1) as node_kind,
        case split_part(node_id, '.', 1)
            when 'unit_test' then split_part(node_id, '.', 4) else split_part(node_id, '.', 3)
        end as test_name,
        test_runs,
        failed_runs,
        first_failed_at,
        last_failed_at,
        last_passed_at,
        status_changes,
        is_failing,
        -- A test that fails and is put right again changes twice.
        status_changes > 2 as is_flaky
    from totals
)

select * from final

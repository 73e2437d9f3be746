-- grain: one row per run of the platform
with events as (
    select * from {{ ref('stg_platform__events') }}
),

final as (
    select
        run_id,
        max(case when event_name = 'run_started' then subject end) as command,
        min(happened_at) as began_at,
        max(case when event_name = 'run_finished' then happened_at end) as ended_at,
        coalesce(max(case when event_name = 'run_finished' then status end), 'unfinished') as status,
        max(case when event_name = 'step_finished' and status = 'failed' then subject end) as failed_step,
        max(case when event_name = 'run_finished' then told_reason end) as told_reason,
        max(case when event_name = 'generation_published' then subject end) as generation_id,
        max(case when event_name = 'run_finished' then seconds end) as seconds,
        {% for step in ['ingest', 'build', 'publish', 'export', 'site'] %}
            max(case when event_name = 'step_finished' and subject = '{{ step }}' then seconds end)
                as {{ step }}_seconds,
        {% endfor %}
        cast(coalesce(sum(case when event_name = 'source_loaded' then event_rows end), 0) as bigint) as loaded_rows,
        count(case when event_name = 'node_built' then subject end) as built_nodes,
        count(case when event_name = 'node_reused' then subject end) as reused_nodes,
        count(case when event_name in ('node_passed', 'node_warned') then subject end) as passed_tests,
        count(case when event_name = 'node_failed' then subject end) as failed_nodes
    from events
    group by run_id
)

select * from final

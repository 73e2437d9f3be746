-- grain: one row per run and node of dbt that it built, tested or reused
with events as (
    select * from {{ ref('stg_platform__events') }}
),

runs as (
    select * from {{ ref('fct_platform_runs') }}
),

relations as (
    select * from {{ ref('stg_platform__relations') }}
),

node_events as (
    select
        *,
        replace(event_name, 'node_', '') as node_event
    from events
    where left(event_name, 5) = 'node_'
),

told as (
    select
        run_id,
        subject as node_id,
        max(case when node_event = 'started' then happened_at end) as began_at,
        max(case when node_event not in ('started', 'planned') then node_event end) as node_action,
        max(status) as node_status,
        max(seconds) as seconds,
        max(failed_rows) as failed_rows,
        max(case when node_event in ('planned', 'reused', 'dropped') then told_reason end) as planned_reason,
        max(case when node_event = 'failed' then told_reason end) as told_reason
    from node_events
    group by run_id, subject
),

final as (
    select
        told.run_id,
        told.node_id,
        split_part(told.node_id, '.', 1) as node_kind,
        told.began_at,
        coalesce(told.node_action, 'unfinished') as node_action,
        told.node_status,
        told.seconds,
        told.failed_rows,
        relations.relation_rows,
        relations.relation_bytes,
        told.planned_reason,
        told.told_reason
    from told
    inner join runs
        on told.run_id = runs.run_id
    -- What a run has published has the rows that it built.
    left join relations
        on
            runs.generation_id = relations.generation_id
            and told.node_id = relations.node_id
            and told.node_action = 'built'
)

select * from final

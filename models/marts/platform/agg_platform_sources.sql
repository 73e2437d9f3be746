-- grain: one row per source system that a run has read
with events as (
    select * from {{ ref('stg_platform__events') }}
),

ages as (
    select
        subject as source_name,
        promised_hours,
        cast(floor(seconds / 3600) as bigint) as hours_behind,
        status = 'late' as is_late,
        row_number() over (partition by subject order by run_id desc, event_number desc) as age_rank
    from events
    where event_name = 'source_aged'
),

readings as (
    select
        subject as source_name,
        run_id,
        max(case when event_name = 'source_loaded' then happened_at end) as loaded_at,
        coalesce(max(case when event_name = 'source_loaded' then event_rows end), 0) as event_rows,
        count(case when event_name = 'source_refused' then event_number end) as refusals,
        max(case when event_name = 'source_blocked' then 1 else 0 end) as blocked,
        max(case when event_name = 'source_failed' then 1 else 0 end) as failed,
        row_number() over (partition by subject order by run_id desc) as run_rank
    from events
    where event_name in ('source_started', 'source_loaded', 'source_refused', 'source_blocked', 'source_failed')
    group by subject, run_id
),

totals as (
    select
        source_name,
        count(loaded_at) as load_runs,
        count(case when event_rows > 0 then run_id end) as filled_runs,
        max(loaded_at) as last_loaded_at,
        max(case when event_rows > 0 then loaded_at end) as last_filled_at,
        cast(sum(event_rows) as bigint) as loaded_rows,
        max_by(event_rows, case when event_rows > 0 then run_id end) as last_loaded_rows,
        cast(sum(refusals) as bigint) as refusals,
        cast(sum(blocked) as bigint) as blocked_runs,
        cast(sum(failed) as bigint) as failed_runs,
        max(case when run_rank = 1 then blocked else 0 end) = 1 as is_blocked
    from readings
    group by source_name
),

final as (
    select
        totals.source_name,
        totals.load_runs,
        totals.last_loaded_at,
        totals.last_filled_at,
        ages.promised_hours,
        ages.hours_behind,
        coalesce(ages.is_late, false) as is_late,
        totals.loaded_rows,
        totals.last_loaded_rows,
        {{ ratio('totals.loaded_rows', 'totals.filled_runs') }} as loaded_rows_per_run,
        totals.refusals,
        totals.blocked_runs,
        totals.failed_runs,
        totals.is_blocked
    from totals
    left join ages
        on
            totals.source_name = ages.source_name
            and ages.age_rank = 1
)

select * from final

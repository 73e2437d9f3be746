-- grain: one row per event of a run, as last delivered
with events as (
    select * from {{ source('platform', 'events') }}
),

current_deliveries as (
    {{ current_deliveries('platform', 'events') }}
),

current_rows as (
    select
        events.run_id,
        events.event_number,
        {{ utc_timestamp('events.happened_at') }} as happened_at,
        events.event_name,
        events.subject,
        events.node_kind,
        events.status,
        events.seconds,
        events.event_rows,
        events.failed_rows,
        events.promised_hours,
        events.told_reason,
        events._source_file as source_file,
        events._dlt_load_id as load_id,
        row_number() over (
            partition by events.run_id, events.event_number
            order by events._dlt_load_id desc, events._source_file asc
        ) as place
    from events
    left join current_deliveries
        on events._source_file = current_deliveries.place
    where events._dlt_load_id >= coalesce(current_deliveries._dlt_load_id, '')
),

-- A file may have been copied under another name.
final as (
    select
        run_id,
        event_number,
        happened_at,
        event_name,
        subject,
        node_kind,
        status,
        seconds,
        event_rows,
        failed_rows,
        promised_hours,
        told_reason,
        source_file,
        load_id
    from current_rows
    where place = 1
)

select * from final

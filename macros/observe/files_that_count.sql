{#
  The recorded counts of the files of one raw table, each file as it was last delivered, and of what was replayed of it since.
    system, table: a raw table that files bring
    day: SQL for the business day of a delivery's rows
#}
{% macro files_that_count(system, table, day='deliveries.business_date') %}
    select
        deliveries.source,
        deliveries.table_name,
        deliveries.place,
        deliveries._dlt_load_id,
        {{ day }} as day,
        -- A row that was quarantined and has been replayed is loaded by now: no longer in quarantine, and not delivered twice.
        case when deliveries.kind = 'replay' then 0 else deliveries.delivered end as delivered,
        case
            when deliveries.kind = 'replay' then -(deliveries.loaded + coalesce(deliveries.erased, 0))
            else deliveries.quarantined
        end as quarantined,
        coalesce(deliveries.erased, 0) as erased,
        deliveries.loaded,
        deliveries.key_sum,
        deliveries.money_usd
    from {{ source('lake', 'deliveries') }} as deliveries
    inner join ({{ current_deliveries(system, table) }}) as current_files
        on deliveries.place = current_files.place
    where
        deliveries.source = '{{ system }}'
        and deliveries.digest = current_files.digest
        and deliveries._dlt_load_id >= current_files._dlt_load_id
{% endmacro %}

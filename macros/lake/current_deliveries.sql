{#
  For each file of a raw table, the load from which on its rows count: a file that is delivered again replaces its earlier
  delivery as a whole, and rows replayed from quarantine later add to it. A delivery whose every row was quarantined replaces
  nothing until some of its rows are replayed; one whose rows are erased has replaced what came before.
    system, table: a raw table that files bring
#}
{% macro current_deliveries(system, table) %}
    select
        place,
        max(current_digest) as digest,
        max(case when kind <> 'replay' and digest = current_digest then _dlt_load_id end) as _dlt_load_id
    from (
        select
            *,
            coalesce(
                max_by(digest, case when loaded > 0 or erased > 0 or delivered = 0 then _dlt_load_id end) over (partition by place),
                max_by(digest, _dlt_load_id) over (partition by place)
            ) as current_digest
        from {{ source('lake', 'deliveries') }}
        where source = '{{ system }}' and table_name = '{{ table }}' and not is_unreadable
    ) as readable
    group by place
{% endmacro %}

{#
  The receipt numbers whose lines a load not yet built affects. A file that is delivered again replaces its earlier delivery
  as a whole, so they are those of all lines that it ever brought, also of those that it now leaves out, or of all where it
  is empty now. A number that a till uses again concerns each receipt that has it.
#}
{% macro affected_receipts() %}
    select basket_id as receipt_number
    from {{ source('pos', 'transactions') }}
    where _source_file in (
        select place
        from {{ source('lake', 'deliveries') }}
        where source = 'pos' and _dlt_load_id in {{ unbuilt_loads('pos') }}
    )
    -- union: a receipt has many lines, and may come by file and as events
    union
    select basket_id as receipt_number
    from {{ source('pos_stream', 'transactions') }}
    where _dlt_load_id in {{ unbuilt_loads('pos_stream') }}
{% endmacro %}

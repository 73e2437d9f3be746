{#
  The keys of the till lines that a load not yet built affects. A file that is delivered again replaces its earlier delivery
  as a whole, so they are all lines that it ever brought, also those that it now leaves out.
#}
{% macro affected_lines() %}
    select
        basket_id,
        product_id
    from {{ source('pos', 'transactions') }}
    where _source_file in (
        select place
        from {{ source('lake', 'deliveries') }}
        where source = 'pos' and _dlt_load_id in {{ unbuilt_loads('pos') }}
    )
    -- union: a line may come by file and as an event, and several times
    union
    select
        basket_id,
        product_id
    from {{ source('pos_stream', 'transactions') }}
    where _dlt_load_id in {{ unbuilt_loads('pos_stream') }}
{% endmacro %}

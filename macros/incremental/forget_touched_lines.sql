{#
  Pre-hook of the staged till lines: delete, in the model's own transaction, those of which a load not yet built says
  something. A file that comes again replaces its earlier delivery whole, so all of its lines go: it may leave some out.
#}
{% macro forget_touched_lines() %}
    {% if is_incremental() %}
        delete from {{ this }}
        where
            source_file in (
                select place
                from {{ source('lake', 'deliveries') }}
                where source = 'pos' and _dlt_load_id in {{ unbuilt_loads('pos') }}
            )
            or (basket_id, product_id) in (
                select (basket_id, product_id)
                from {{ source('pos', 'transactions') }}
                where _dlt_load_id in {{ unbuilt_loads('pos') }}
            )
            or (basket_id, product_id) in (
                select (basket_id, product_id)
                from {{ source('pos_stream', 'transactions') }}
                where _dlt_load_id in {{ unbuilt_loads('pos_stream') }}
            )
    {% endif %}
{% endmacro %}

{#
  A basket's number where its till has used the receipt number before: negative, so that no till prints it, and made of the
  receipt's own content, so that it stays the same whatever else is delivered.
    receipt_number, household_id, store_id, sold_at: SQL for what identifies a receipt
#}
{% macro receipt_key(receipt_number, household_id, store_id, sold_at) -%}
    {{ return(adapter.dispatch('receipt_key', 'larder')(receipt_number, household_id, store_id, sold_at)) }}
{%- endmacro %}


{% macro duckdb__receipt_key(receipt_number, household_id, store_id, sold_at) -%}
    -1 - cast(
        md5_number_lower(concat_ws('|', {{ receipt_number }}, {{ household_id }}, {{ store_id }}, {{ sold_at }})) >> 2 as bigint
    )
{%- endmacro %}

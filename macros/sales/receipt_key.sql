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


{# DuckDB writes an instant with its zone, and reads the second half of the digest with its lowest byte first. #}
{% macro spark__receipt_key(receipt_number, household_id, store_id, sold_at) -%}
    {%- set parts, bytes = [], [] -%}
    {%- for column in [receipt_number, household_id, store_id, sold_at] -%}
        {%- do parts.append('cast(' ~ column ~ ' as string)') -%}
    {%- endfor -%}
    {%- do parts.append(parts.pop() ~ " || '+00'") -%}
    {%- set digest = "md5(concat_ws('|', " ~ parts | join(', ') ~ '))' -%}
    {%- for place in range(31, 15, -2) -%}
        {%- do bytes.append('substr(' ~ digest ~ ', ' ~ place ~ ', 2)') -%}
    {%- endfor -%}
    -1 - cast(cast(conv(concat({{ bytes | join(', ') }}), 16, 10) as decimal(20, 0)) div 4 as bigint)
{%- endmacro %}

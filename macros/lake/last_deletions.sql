{#
  The keys of a raw table that its source has deleted, each with the last load that reported it.
    system, table: the raw table
#}
{% macro last_deletions(system, table) %}
    select
        record_key,
        max(_dlt_load_id) as load_id
    from {{ source(system, 'deletions') }}
    where table_name = '{{ table }}'
    group by record_key
{% endmacro %}

{#
  The tables in which a build records what it was made of: schema `observe`, beside the models of that schema, and schema `raw`
  for the views of raw tables.
#}
{% macro create_record_tables() %}
    {{ return(adapter.dispatch('create_record_tables', 'larder')()) }}
{% endmacro %}


{% macro duckdb__create_record_tables() %}
    {% do run_query('create schema if not exists raw') %}
    {% do run_query('create schema if not exists observe') %}
    {% do run_query('create table if not exists observe.built_loads (model varchar, source varchar, load_id varchar, position bigint)') %}
    {# Earlier generations have no positions: every load is new to them. #}
    {% do run_query('alter table observe.built_loads add column if not exists position bigint') %}
    {% do run_query('create table if not exists observe.built_partitions (model varchar, partition_key varchar, fingerprint ubigint)') %}
    {% do run_query('create table if not exists observe.built_relations (relation varchar, as_of_at timestamp, is_behind boolean)') %}
{% endmacro %}


{% macro spark__create_record_tables() %}
    {% do run_query('create schema if not exists raw') %}
    {% do run_query('create schema if not exists observe') %}
    {% set create = 'create table if not exists observe.' %}
    {% do run_query(create ~ 'built_loads (model string, source string, load_id string, position bigint) using iceberg') %}
    {% do run_query(create ~ 'built_partitions (model string, partition_key string, fingerprint bigint) using iceberg') %}
    {% do run_query(create ~ 'built_relations (relation string, as_of_at timestamp_ntz, is_behind boolean) using iceberg') %}
{% endmacro %}

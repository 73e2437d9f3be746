-- What builds found: schema dbt_rt by the names of dbt's information schema, schema larder what dbt has no name for. A project that
-- is only compiled has the same tables, without rows. Results, sizes and schemas go back over generations; profiles are of the last
-- build of each table.

create schema dbt_rt;
create schema larder;

create table dbt_rt.invocations (
    invocation_id varchar,  -- the generation's id
    generated_at timestamp,
    elapsed_time double,
    git_sha varchar,
    models_built integer,
    tests_run integer,
    warnings integer
);

create table dbt_rt.run_results (
    invocation_id varchar,
    unique_id varchar,
    resource_type varchar,
    status varchar,
    execution_time double,
    failures bigint,  -- rows that a test found
    message varchar,
    created_at timestamp
);

create view dbt_rt.run_results_latest as
select *
from dbt_rt.run_results
qualify row_number() over (partition by unique_id order by invocation_id desc) = 1;

-- One row per table and build of it.
create table dbt_rt.relations (
    invocation_id varchar,
    unique_id varchar,
    row_count bigint,
    size_bytes bigint,
    created_at timestamp
);

-- One row per column of a table that was built. Without values where `shows_values` is false: a column that may point at a person.
create table larder.column_profiles (
    invocation_id varchar,
    node_unique_id varchar,
    column_name varchar,
    data_type varchar,
    shows_values boolean,
    row_count bigint,
    null_count bigint,
    distinct_count bigint,  -- null in tables above a million rows
    is_distinct_exact boolean,  -- false where it is an estimate
    min_value varchar,
    max_value varchar,
    min_length bigint,
    max_length bigint,
    top_values struct(label varchar, rows bigint)[],  -- of a sample, the most frequent first
    histogram struct(label varchar, rows bigint)[],  -- of a sample, equal ranges by their lower bounds
    sample_rows bigint
);

-- One row per column and span of generations in which it had one type.
create table larder.column_history (
    node_unique_id varchar,
    column_name varchar,
    data_type varchar,
    first_invocation_id varchar,
    last_invocation_id varchar  -- null while it is there
);

-- One row per source and load that the generation has last.
create table larder.loads (
    source_name varchar,
    load_id varchar,
    position bigint,
    loaded_at timestamp
);

-- One row per source, table and day or load: what came, and what became of it.
create table larder.deliveries (
    source_name varchar,
    table_name varchar,
    period varchar,
    business_date date,
    load_id varchar,
    delivered_rows bigint,
    quarantined_rows bigint,
    loaded_rows bigint,
    mart_rows bigint,
    is_accounted_for boolean
);

create table larder.tiers (
    tier varchar,
    description varchar
);

create table larder.glossary (
    term varchar,
    description varchar,
    see varchar[]  -- what implements it: a metric, schema.table or schema.table.column
);

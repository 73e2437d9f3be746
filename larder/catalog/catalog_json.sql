-- The parts of catalog.json. Keys are those of catalog.schema.json.

create or replace temp view catalog_generation as
select
    (select max(invocation_id) from dbt_rt.invocations) as id,
    (select strftime(max(generated_at), '%Y-%m-%dT%H:%M:%SZ') from dbt_rt.invocations) as built_at,
    git_sha as git
from dbt.project;

create or replace temp view catalog_nodes as
with sizes as (
    select * from dbt_rt.relations qualify row_number() over (partition by unique_id order by invocation_id desc) = 1
),

relations as (
    select 'model' as kind, * exclude (compiled_code) from dbt.models
    union all by name
    select 'seed' as kind, * from dbt.seeds
    union all by name
    select 'source' as kind, * from dbt.sources
),

columns_of as (
    select
        node_unique_id as unique_id,
        list(
            {
                name: column_name,
                type: coalesce(data_type_inferred, data_type_declared),
                description: description,
                class: classification,
                unit: unit,
                synthetic: synthetic,
                unresolved: unresolved
            }
            order by column_index
        ) as columns
    from dbt.node_columns
    group by node_unique_id
)

select
    relations.unique_id as id,
    kind,
    identifier as name,
    schema_name as schema,
    description,
    owner,
    "group",
    tier,
    access,
    materialized,
    grain,
    primary_key,
    version,
    latest_version,
    strftime(deprecation_date, '%Y-%m-%d') as ends_on,
    tags,
    original_file_path as file,
    row_count as rows,
    size_bytes as bytes,
    columns_of.columns
from relations
left join sizes on relations.unique_id = sizes.unique_id
left join columns_of on relations.unique_id = columns_of.unique_id
order by relations.unique_id;

create or replace temp view catalog_lineage as
select
    parent_node_unique_id as from_node,
    parent_column_name as from_column,
    child_node_unique_id as to_node,
    child_column_name as to_column,
    evolution as how,
    nullif(expression, '') as expression
from dbt.column_lineage
order by all;

create or replace temp view catalog_edges as
select parent_unique_id as from_node, child_unique_id as to_node from dbt.edges order by all;

create or replace temp view catalog_tests as
select unique_id as id, name, description, node_unique_id as node, column_name as column, test_name as kind, severity
from dbt.data_tests
order by id;

create or replace temp view catalog_metrics as
select unique_id as id, name, label, description, unit, owner, metric_type as kind, input_metric_names as made_of
from dbt.metrics
order by id;

create or replace temp view catalog_exposures as
select
    unique_id as id,
    name,
    label,
    description,
    exposure_type as kind,
    owner_name,
    owner_email,
    url,
    depends_on as reads
from dbt.exposures
order by id;

create or replace temp view catalog_owners as
select name, description, owner_name, owner_email from dbt.groups order by name;

create or replace temp view catalog_classes as
select class as name, description, is_personal from larder.classes order by name;

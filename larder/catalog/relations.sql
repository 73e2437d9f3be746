-- One row per model and seed of a generation, as its metadata base says: what it takes, how it is looked after, and who has a use for it.
with relations as (
    select
        unique_id,
        schema_name,
        identifier,
        fqn,
        owner,
        materialized,
        contract_enforced,
        primary_key,
        fqn[2] as layer
    from dbt.models
    union all by name
    select
        unique_id,
        schema_name,
        identifier,
        fqn,
        owner,
        materialized,
        contract_enforced,
        primary_key,
        'seeds' as layer
    from dbt.seeds
),

sizes as (
    select
        unique_id,
        arg_max(row_count, invocation_id) as relation_rows,
        arg_max(size_bytes, invocation_id) as relation_bytes
    from dbt_rt.relations
    group by unique_id
),

described as (
    select
        node_unique_id as unique_id,
        count(*) as column_count,
        count(nullif(description, '')) as described_columns,
        count(classification) as classified_columns
    from dbt.node_columns
    group by node_unique_id
),

tested as (
    select
        unique_id,
        count(*) as test_count
    from (
        select coalesce(node_unique_id, depends_on[1]) as unique_id
        from dbt.data_tests
        union all
        select node_unique_id as unique_id
        from dbt.unit_tests
    )
    group by unique_id
),

readers as (
    select
        edges.parent_unique_id as unique_id,
        count(*) filter (where nodes.resource_type = 'model') as reading_models,
        count(*) filter (where nodes.resource_type in ('exposure', 'semantic_model', 'saved_query')) as reading_exposures
    from dbt.edges as edges
    inner join dbt.dag_nodes as nodes on edges.child_unique_id = nodes.unique_id
    group by edges.parent_unique_id
),

given as (
    select
        node_unique_id as unique_id,
        string_agg(distinct audience, ',' order by audience) as audiences
    from larder.access
    where treatment <> 'not at all'
    group by node_unique_id
)

select
    $generation as generation_id,
    row_number() over (order by relations.unique_id) as relation_number,
    relations.unique_id as node_id,
    relations.schema_name || '.' || relations.identifier as relation_name,
    relations.layer,
    case when len(relations.fqn) > 3 then relations.fqn[3] else relations.layer end as domain,
    relations.owner,
    relations.materialized as materialization,
    sizes.relation_rows,
    sizes.relation_bytes,
    coalesce(described.column_count, 0) as column_count,
    coalesce(described.described_columns, 0) as described_columns,
    coalesce(described.classified_columns, 0) as classified_columns,
    coalesce(tested.test_count, 0) as test_count,
    relations.contract_enforced as has_contract,
    len(relations.primary_key) > 0 as has_tested_key,
    coalesce(readers.reading_models, 0) as reading_models,
    coalesce(readers.reading_exposures, 0) as reading_exposures,
    coalesce(given.audiences, '') as audiences
from relations
left join sizes using (unique_id)
left join described using (unique_id)
left join tested using (unique_id)
left join readers using (unique_id)
left join given using (unique_id)
order by relation_number

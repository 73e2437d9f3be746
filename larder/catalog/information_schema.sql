-- What the project says, by the names of dbt's own information schema (schema dbt): the same columns where the meaning is the
-- same, further ones after them. Reads `resource`: one row per node of dbt's manifest with its `body` as JSON, `dependency`: one
-- row per edge, and `traced_column`, `traced_edge`, what column lineage has found.

create schema dbt;

-- What a test says in the comment at its head, without what to do when it fails.
create macro head(code) as nullif(trim(
    regexp_replace(regexp_extract(code, '^\s*\{#(.*?)(?:Fails\?.*)?#\}', 1, 's'), '\s+', ' ', 'g')
), '');

create view dbt.project as
select
    1 as schema_version,
    body ->> 'project_name' as project_name,
    body ->> 'dbt_version' as dbt_version,
    body ->> 'adapter_type' as adapter_type,
    nullif(body ->> 'git_sha', '') as git_sha
from resource
where resource_type = 'project';

create view tested_grain as
select
    body ->> 'attached_node' as unique_id,
    arg_min(names(body, '$.test_metadata.kwargs.columns'), unique_id) as columns
from resource
where resource_type = 'test' and (body ->> '$.test_metadata.name') = 'primary_key'
group by body ->> 'attached_node';

create view relation as
select
    resource.unique_id,
    body ->> 'name' as name,
    resource_type,
    body ->> 'package_name' as package_name,
    body ->> 'original_file_path' as original_file_path,
    names(body, 'fqn') as fqn,
    body ->> 'alias' as alias,
    said(body, 'description') as description,
    coalesce(body ->> 'language', 'sql') as node_language,
    body ->> 'database' as database_name,
    body ->> 'schema' as schema_name,
    body ->> 'relation_name' as relation_name,
    coalesce(body ->> 'identifier', body ->> 'alias') as identifier,
    true as enabled,
    body ->> '$.config.materialized' as materialized,
    body ->> 'access' as access,
    body ->> '$.config.group' as "group",
    coalesce((body ->> '$.contract.enforced')::boolean, false) as contract_enforced,
    coalesce(body -> 'constraints', '[]'::json) as "constraints",
    body ->> 'version' as version,
    body ->> 'latest_version' as latest_version,
    try_cast(body ->> 'deprecation_date' as timestamp) as deprecation_date,
    coalesce(tested_grain.columns, []) as primary_key,
    nullif(split_part(body ->> 'patch_path', '://', 2), '') as properties_yml_file_path,
    names(body, 'tags') as tags,
    coalesce(body -> '$.config.meta', '{}'::json) as meta,
    said(body, '$.config.meta.owner') as owner,
    said(body, '$.config.meta.tier') as tier,
    names(body, '$.config.meta.grain') as grain,
    coalesce(tested_grain.columns, []) as grain_tested,
    body ->> '$.config.event_time' as event_time,
    said(body, 'raw_code') as raw_code,
    said(body, 'compiled_code') as compiled_code,
    body ->> 'source_name' as source_name,
    said(body, 'source_description') as source_description,
    said(body, 'loader') as loader
from resource
left join tested_grain on resource.unique_id = tested_grain.unique_id
where resource_type in ('model', 'seed', 'source', 'snapshot');

create view dbt.models as
select * exclude (source_name, source_description, loader)
from relation
where resource_type = 'model';

create view dbt.seeds as
select * exclude (source_name, source_description, loader, compiled_code)
from relation
where resource_type = 'seed';

create view dbt.snapshots as
select * exclude (source_name, source_description, loader)
from relation
where resource_type = 'snapshot';

create view dbt.sources as
select * exclude (raw_code, compiled_code)
from relation
where resource_type = 'source';

create view declared_column as
select
    unique_id as node_unique_id,
    unnest(json_keys(body, 'columns')) as column_name,
    body
from resource
where resource_type in ('model', 'seed', 'source', 'snapshot');

create view dbt.node_columns as
with declared as (
    select
        node_unique_id,
        column_name,
        body -> 'columns' -> column_name as body
    from declared_column
)

select
    node_unique_id,
    column_name,
    traced_column.column_index,
    declared.body ->> 'data_type' as data_type_declared,
    traced_column.data_type as data_type_inferred,
    said(declared.body, 'description') as description,
    names(declared.body, '$.config.tags') as tags,
    coalesce(declared.body -> '$.config.meta', '{}'::json) as meta,
    said(declared.body, '$.config.meta.classification') as classification,
    said(declared.body, '$.config.meta.unit') as unit,
    coalesce((declared.body ->> '$.config.meta.synthetic')::boolean, false) as synthetic,
    coalesce(declared.body -> 'constraints', '[]'::json) as constraints,
    traced_column.unresolved
from traced_column
left join declared using (node_unique_id, column_name);

-- Whether what is computed is still the value: cast, filled, trimmed, or picked out of several.
create macro keeps_value(evolution, expression) as evolution = 'copy'
    or evolution = 'mod'
    and not regexp_matches(expression, '[+*/<>=|%-]|\b(CASE|NOT|IS|BETWEEN|AND|OR|IN|LIKE)\b')
    and list_has_all(
        [
            'CAST', 'TRY_CAST', 'DECIMAL', 'COALESCE', 'NULLIF', 'TRIM', 'LOWER', 'UPPER', 'CONCAT', 'LPAD', 'MIN', 'MAX', 'ANY_VALUE',
            'FIRST', 'LAST', 'ARG_MIN', 'ARG_MAX', 'FIRST_VALUE', 'LAST_VALUE', 'LAG', 'LEAD', 'LIST', 'ARRAY_AGG', 'STRING_AGG'
        ],
        regexp_extract_all(expression, '(\w+)\(', 1)
    );

create view dbt.column_lineage as
select
    *,
    keeps_value(evolution, expression) as keeps_value
from traced_edge;

create view generic_test as
select
    substr(body ->> 'name', 6) as name,
    said(body, 'description') as description
from resource
where resource_type = 'macro' and starts_with(body ->> 'name', 'test_');

create view dbt.data_tests as
select
    resource.unique_id,
    body ->> 'name' as name,
    body ->> 'package_name' as package_name,
    body ->> 'original_file_path' as original_file_path,
    names(body, 'fqn') as fqn,
    coalesce(head(body ->> 'raw_code'), said(body, 'description'), generic_test.description) as description,
    names(body, 'tags') as tags,
    coalesce(body -> '$.config.meta', '{}'::json) as meta,
    body ->> '$.config.group' as "group",
    coalesce(body ->> '$.test_metadata.name', 'singular') as test_name,
    coalesce(body -> '$.test_metadata.kwargs', '{}'::json) as arguments,
    body ->> 'column_name' as column_name,
    body ->> 'attached_node' as node_unique_id,
    lower(body ->> '$.config.severity') as severity,
    body ->> '$.config.warn_if' as warn_if,
    body ->> '$.config.error_if' as error_if,
    body ->> '$.config.fail_calc' as fail_calc,
    body ->> '$.config.where' as where_condition,
    names(body, '$.depends_on.nodes') as depends_on
from resource
left join generic_test on body ->> '$.test_metadata.name' = generic_test.name
where resource_type = 'test';

create view dbt.unit_tests as
select
    unique_id,
    body ->> 'name' as name,
    body ->> 'model' as model,
    said(body, 'description') as description,
    body ->> 'package_name' as package_name,
    body ->> 'original_file_path' as original_file_path,
    names(body, 'fqn') as fqn,
    body -> 'given' as given,
    body -> 'expect' as expect,
    names(body, '$.depends_on.nodes')[1] as node_unique_id
from resource
where resource_type = 'unit_test';

create view dbt.exposures as
select
    unique_id,
    body ->> 'name' as name,
    body ->> 'type' as exposure_type,
    body ->> 'label' as label,
    body ->> '$.owner.name' as owner_name,
    body ->> '$.owner.email' as owner_email,
    body ->> 'url' as url,
    body ->> 'maturity' as maturity,
    said(body, 'description') as description,
    body ->> 'package_name' as package_name,
    body ->> 'original_file_path' as original_file_path,
    names(body, 'fqn') as fqn,
    names(body, '$.depends_on.nodes') as depends_on,
    names(body, 'tags') as tags
from resource
where resource_type = 'exposure';

create view dbt.metrics as
select
    unique_id,
    body ->> 'name' as name,
    body ->> 'label' as label,
    body ->> 'type' as metric_type,
    said(body, 'description') as description,
    body ->> 'package_name' as package_name,
    body ->> 'original_file_path' as original_file_path,
    names(body, 'fqn') as fqn,
    body -> 'type_params' as type_params,
    body -> 'filter' as metric_filter,
    body ->> 'time_granularity' as time_granularity,
    list_transform(from_json(body -> '$.type_params.metrics', '["json"]'), lambda one: one ->> 'name') as input_metric_names,
    body ->> '$.config.group' as "group",
    names(body, 'tags') as tags,
    coalesce(body -> '$.config.meta', '{}'::json) as meta,
    said(body, '$.config.meta.owner') as owner,
    said(body, '$.config.meta.unit') as unit,
    body ->> '$.type_params.expr' as expression
from resource
where resource_type = 'metric';

create view dbt.saved_queries as
select
    unique_id,
    body ->> 'name' as name,
    body ->> 'label' as label,
    said(body, 'description') as description,
    body ->> 'package_name' as package_name,
    body ->> 'original_file_path' as original_file_path,
    names(body, 'fqn') as fqn,
    body -> 'query_params' as query_params,
    body -> 'exports' as exports,
    names(body, '$.depends_on.nodes') as depends_on,
    body ->> '$.config.group' as "group",
    names(body, 'tags') as tags
from resource
where resource_type = 'saved_query';

create view dbt.semantic_models as
select
    unique_id,
    body ->> 'name' as name,
    names(body, '$.depends_on.nodes')[1] as model,
    body ->> 'label' as label,
    said(body, 'description') as description,
    names(body, 'fqn') as fqn,
    body -> 'node_relation' as node_relation,
    body ->> 'primary_entity' as primary_entity,
    body -> 'defaults' as defaults,
    body ->> 'group' as "group"
from resource
where resource_type = 'semantic_model';

create view dbt.semantic_entities as
select
    unique_id,
    part ->> 'name' as name,
    part ->> 'type' as entity_type,
    said(part, 'description') as description,
    part ->> 'label' as label,
    part ->> 'role' as entity_role,
    part ->> 'expr' as expr
from (
    select
        unique_id,
        unnest(from_json(body -> 'entities', '["json"]')) as part
    from resource
    where resource_type = 'semantic_model'
);

create view dbt.semantic_measures as
select
    unique_id,
    part ->> 'name' as name,
    part ->> 'agg' as agg,
    said(part, 'description') as description,
    part ->> 'label' as label,
    part ->> 'expr' as expr,
    (part ->> 'create_metric')::boolean as create_metric,
    part ->> 'agg_time_dimension' as agg_time_dimension,
    part -> 'agg_params' as agg_params,
    part -> 'non_additive_dimension' as non_additive_dimension
from (
    select
        unique_id,
        unnest(from_json(body -> 'measures', '["json"]')) as part
    from resource
    where resource_type = 'semantic_model'
);

create view dbt.semantic_dimensions as
select
    unique_id,
    part ->> 'name' as name,
    part ->> 'type' as dimension_type,
    said(part, 'description') as description,
    part ->> 'label' as label,
    part ->> 'expr' as expr,
    (part ->> 'is_partition')::boolean as is_partition,
    part ->> '$.type_params.time_granularity' as time_granularity,
    part -> '$.type_params.validity_params' as validity_params
from (
    select
        unique_id,
        unnest(from_json(body -> 'dimensions', '["json"]')) as part
    from resource
    where resource_type = 'semantic_model'
);

create view dbt.groups as
select
    unique_id,
    body ->> 'name' as name,
    said(body, 'description') as description,
    body ->> '$.owner.name' as owner_name,
    body ->> '$.owner.email' as owner_email
from resource
where resource_type = 'group';

create view dbt.macros as
select
    unique_id,
    body ->> 'name' as name,
    body ->> 'package_name' as package_name,
    body ->> 'original_file_path' as original_file_path,
    body ->> 'macro_sql' as macro_sql,
    said(body, 'description') as description,
    names(body, '$.depends_on.macros') as depends_on_macros
from resource
where resource_type = 'macro';

create view dbt.docs_blocks as
select
    unique_id,
    body ->> 'name' as name,
    body ->> 'package_name' as package_name,
    body ->> 'original_file_path' as original_file_path,
    body ->> 'block_contents' as content
from resource
where resource_type = 'doc';

create view dbt.dag_nodes as
select
    unique_id,
    resource_type
from resource
where resource_type not in ('project', 'macro', 'doc', 'group');

create view dbt.edges as
select distinct  -- a node may be named twice in what it depends on
    parent_unique_id,
    child_unique_id
from dependency
where parent_unique_id in (from dbt.dag_nodes select unique_id) and child_unique_id in (from dbt.dag_nodes select unique_id);

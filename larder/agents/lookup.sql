-- What agents look up, over the metadata base.

create temp view relation as
select
    kind,
    * exclude (kind),
    schema_name || '.' || identifier as relation
from (
    select 'model' as kind, * from dbt.models
    union all by name
    select 'seed' as kind, * from dbt.seeds
    union all by name
    select 'source' as kind, * from dbt.sources
);

create temp view thing as
select unique_id as id, kind, relation as name, description, owner, tier, access, grain, row_count as rows
from relation
left join dbt_rt.relations as sizes using (unique_id)
qualify row_number() over (partition by unique_id order by invocation_id desc) = 1
union all by name
select unique_id as id, 'metric' as kind, name, description, unit, owner from dbt.metrics
union all by name
select unique_id as id, 'exposure' as kind, name, description, url, owner_name as owner, depends_on as reads from dbt.exposures
union all by name
select unique_id as id, 'saved_query' as kind, name, description from dbt.saved_queries;

create temp view found_column as
select
    node_unique_id as id,
    column_name as name,
    coalesce(data_type_inferred, data_type_declared) as type,
    unit,
    classification as class,
    description
from dbt.node_columns
order by node_unique_id, column_index;

-- Things whose name or description has all of the words; those with most of them in their name first.
create temp macro search(words) as table
select
    kind,
    unique_id as id,
    left(description, 300) as description
from larder.descriptions
where
    kind in ('model', 'seed', 'source_table', 'column', 'metric', 'exposure', 'saved_query')
    and list_bool_and(list_transform(words, lambda word: contains(lower(name || ' ' || description), word)))
order by
    len(list_filter(words, lambda word: contains(lower(name), word))) desc,
    kind <> 'metric',
    not regexp_matches(unique_id, '\.(dim|fct|agg)_'),
    length(name),
    unique_id
limit 20;

-- The edges of columns and of nodes, in the direction that is asked for.
create temp macro column_step(is_up) as table
select
    if(is_up, child_node_unique_id, parent_node_unique_id) as here,
    if(is_up, child_column_name, parent_column_name) as here_column,
    if(is_up, parent_node_unique_id, child_node_unique_id) as node,
    if(is_up, parent_column_name, child_column_name) as "column",
    evolution as how,
    nullif(expression, '') as expression
from dbt.column_lineage;

create temp macro column_way(id, name, is_up) as table
with recursive way(node, "column", steps) as (
    select id, name, 0
    union
    select step.node, step."column", steps + 1
    from column_step(is_up) as step
    inner join way on step.here = way.node and step.here_column = way."column"
    where how <> 'scan' and steps < 50
)

select node, "column", min(steps) as steps
from way
group by all
having min(steps) > 0
order by steps, node, "column";

create temp macro node_way(id, is_up) as table
with recursive way(node, steps) as (
    select id, 0
    union
    select if(is_up, parent_unique_id, child_unique_id), steps + 1
    from dbt.edges
    inner join way on if(is_up, child_unique_id, parent_unique_id) = node
    where steps < 50 and not regexp_matches(if(is_up, parent_unique_id, child_unique_id), '^(unit_)?test\.')
)

select node, min(steps) as steps
from way
group by node
having min(steps) > 0
order by steps, node;

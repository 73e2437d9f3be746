-- What a review asks of the metadata base of one state of the project.

create table review_relation as
select
    unique_id as node,
    schema_name || '.' || identifier as relation,
    materialized,
    if(len("grain") > 0, "grain", grain_tested) as key
from (
    select unique_id, schema_name, identifier, materialized, "grain", grain_tested from dbt.models
    union all
    select unique_id, schema_name, identifier, 'seed', "grain", grain_tested from dbt.seeds
    union all
    select unique_id, schema_name, identifier, 'snapshot', "grain", grain_tested from dbt.snapshots
);

create table review_column as
select
    review_relation.relation,
    said.column_name,
    coalesce(said.unit, '') as unit,
    coalesce(shown.is_shown, false) as is_shown
from dbt.node_columns as said
inner join review_relation on said.node_unique_id = review_relation.node
left join larder.shown_columns as shown on said.node_unique_id = shown.node_unique_id and said.column_name = shown.column_name;

-- Where a column of one table is the key of another.
create table review_lookup as
select distinct  -- two tests may say the same
    child.relation,
    test.column_name,
    parent.relation as parent,
    test.arguments ->> 'field' as field
from dbt.data_tests as test
inner join review_relation as child on test.node_unique_id = child.node
inner join review_relation as parent
    on list_contains(test.depends_on, parent.node) and child.node <> parent.node
where test.test_name = 'relationships' and parent.key = [test.arguments ->> 'field'];

-- What the pages of the catalog show, put together from the metadata base: one row per page, column, test.

create schema if not exists site;

-- What a text is about: its first sentence.
create or replace macro site.first_sentence(text) as
    regexp_extract(regexp_replace(trim(text), '\s+', ' ', 'g'), '^.{15,}?[.?!](?: |$)|^.+$');

-- From the sources to the readers. A folder of models that is not named here stands between.
create or replace table site.layers as
from (
    values
        ('sources', null, 1),
        ('seeds', 'reference', 2),
        ('staging', 'staging', 3),
        ('intermediate', 'intermediate', 4),
        ('marts', 'core', 6),
        ('observe', 'observe', 7),
        ('semantic', 'semantic', 8),
        ('metrics', null, 9),
        ('reports', null, 10)
) as layer (layer, tier, place);

-- What a layer is for: the text of its tier, or here where nobody says it elsewhere.
create or replace view site.layer_texts as
select
    layers.layer,
    coalesce(tiers.description, 'What the source systems delivered, as it came.') as description
from site.layers as layers
left join larder.tiers as tiers on layers.tier = tiers.tier
where tiers.tier is not null or layers.layer = 'sources';

create or replace view site.delivered as
select
    source_name,
    table_name,
    sum(loaded_rows) as loaded_rows,
    max(business_date) as last_day
from larder.deliveries
group by source_name, table_name;

create or replace view site.last_build as
select
    unique_id,
    arg_max(row_count, invocation_id) as row_count,
    arg_max(size_bytes, invocation_id) as size_bytes,
    max(created_at) as built_at
from dbt_rt.relations
semi join dbt.dag_nodes using (unique_id)
group by unique_id;

create or replace view site.runs as
select
    unique_id,
    list(
        {'invocation': invocation_id, 'status': status, 'seconds': execution_time, 'failures': failures, 'at': created_at}
        order by invocation_id
    ) as runs
from dbt_rt.run_results
group by unique_id;

-- One row per column; a value of it is shown only where its class and its profile allow that.
create or replace table site.columns as
with shown as (
    select
        columns.node_unique_id,
        columns.column_name as name,
        coalesce(classes.is_personal, true) as is_personal,
        profiles.* exclude (node_unique_id, column_name, data_type),
        profiles.shows_values and not coalesce(classes.is_personal, true) as is_shown
    from dbt.node_columns as columns
    left join larder.classes as classes on columns.classification = classes.class
    left join larder.column_profiles as profiles
        on columns.node_unique_id = profiles.node_unique_id and columns.column_name = profiles.column_name
)

select
    columns.node_unique_id,
    columns.column_name as name,
    lower(coalesce(columns.data_type_inferred, columns.data_type_declared)) as type,
    columns.description,
    columns.classification,
    columns.unit,
    columns.synthetic,
    columns.unresolved,
    shown.is_personal,
    shown.row_count,
    shown.null_count,
    shown.distinct_count,
    shown.is_distinct_exact,
    shown.sample_rows,
    if(shown.is_shown, shown.min_value, null) as min_value,
    if(shown.is_shown, shown.max_value, null) as max_value,
    if(shown.is_shown, shown.top_values, []) as top_values,
    if(shown.is_shown, shown.histogram, []) as histogram
from dbt.node_columns as columns
inner join shown on columns.node_unique_id = shown.node_unique_id and columns.column_name = shown.name
order by columns.node_unique_id, columns.column_index;

-- The last day of a table's data: the highest value of the column by which it grows, where that may be shown.
create or replace view site.last_day as
select
    models.unique_id,
    columns.max_value as data_until
from dbt.models as models
inner join site.columns as columns on models.unique_id = columns.node_unique_id and models.event_time = columns.name;

-- One row per page of a node; `page` is its address below the catalog.
create or replace table site.nodes as
with node as (
    select
        *,
        'model' as kind,
        fqn[2] as layer,
        if(len(fqn) > 3, fqn[3], null) as domain
    from (
        from dbt.models
        union all by name
        from dbt.snapshots
    )
    union all by name
    select
        *,
        'seed' as kind,
        'seeds' as layer
    from dbt.seeds
    union all by name
    select
        *,
        'source' as kind,
        'sources' as layer
    from dbt.sources
    union all by name
    select
        *,
        'metric' as kind,
        'metrics' as layer
    from dbt.metrics
    union all by name
    select
        *,
        'exposure' as kind,
        'reports' as layer
    from dbt.exposures
)

select
    node.* exclude (name, owner, owner_name, owner_email),
    node.name,
    coalesce(node.schema_name || '.' || node.identifier, node.name) as title,
    node.kind || '/'
    || regexp_replace(coalesce(node.schema_name || '.' || node.identifier, node.name), '[^A-Za-z0-9_.-]', '-', 'g')
    || '.html' as page,
    site.first_sentence(coalesce(node.description, '')) as meaning,
    groups.name as owner,
    coalesce(node.owner_name, groups.owner_name) as owner_name,
    coalesce(node.owner_email, groups.owner_email) as owner_email,
    coalesce(layers.place, 5) as place,
    coalesce(built.row_count, delivered.loaded_rows) as row_count,
    built.size_bytes,
    built.built_at,
    coalesce(delivered.last_day::varchar, last_day.data_until) as data_until,
    loads.loaded_at,
    coalesce(runs.runs, []) as runs
from node
left join dbt.groups as groups on coalesce(node."group", node.owner) = groups.name
left join site.layers as layers on node.layer = layers.layer
left join site.last_build as built on node.unique_id = built.unique_id
left join site.runs as runs on node.unique_id = runs.unique_id
left join site.last_day as last_day on node.unique_id = last_day.unique_id
left join site.delivered as delivered on node.source_name = delivered.source_name and node.name = delivered.table_name
left join (
    select
        source_name,
        max(loaded_at) as loaded_at
    from larder.loads
    group by source_name
) as loads on node.source_name = loads.source_name
order by place, node.layer, domain, title;

-- One row per test and node that it looks at; `says` is what it holds, in words. Of a personal column no listed value is named.
create or replace table site.tests as
with test as (
    select
        *,
        unnest(if(node_unique_id is null, depends_on, [node_unique_id])) as of_node,
        list_filter(depends_on, lambda one: one <> node_unique_id)[1] as other,
        from_json(arguments -> 'values', '["varchar"]') as listed
    from (
        select * exclude (fqn, tags, meta, package_name, original_file_path)
        from dbt.data_tests
        union all by name
        select
            unique_id,
            name,
            'unit test' as test_name,
            description,
            node_unique_id
        from dbt.unit_tests
    )
)

select
    test.of_node as node_unique_id,
    test.unique_id,
    test.test_name,
    test.description,
    case test.test_name
        when 'primary_key' then array_to_string(from_json(arguments -> 'columns', '["varchar"]'), ', ') || ': unique and never null'
        when 'not_null' then test.column_name || ': never null'
        when 'unique' then test.column_name || ': unique'
        when 'relationships'
            then test.column_name || ': each has its member in ' || coalesce(other.name, 'itself') || '.' || (arguments ->> 'field')
        when 'accepted_values'
            then
                test.column_name || ': '
                || if(columns.is_personal, 'one of ' || len(listed) || ' values', array_to_string(listed, ', '))
        when 'expression_is_true' then arguments ->> 'expression'
        else
            if(test.column_name is null, '', test.column_name || ': ')
            || replace(if(test.test_name in ('singular', 'unit test'), test.name, test.test_name), '_', ' ')
    end as says,
    coalesce(runs.runs, []) as runs,
    runs.runs[-1] as last
from test
left join site.runs as runs on test.unique_id = runs.unique_id
left join site.nodes as other on test.other = other.unique_id
left join site.columns as columns on test.of_node = columns.node_unique_id and test.column_name = columns.name
order by test.of_node, test.test_name = 'unit test', test.test_name, test.column_name, test.name;

-- How the columns of a table have changed since the first generation that knew it.
create or replace table site.history as
select *
from larder.column_history
qualify first_invocation_id > min(first_invocation_id) over (partition by node_unique_id) or last_invocation_id is not null
order by node_unique_id, first_invocation_id, column_name;

-- What the contract of a table holds of every row that is written: columns that are never null, and conditions.
create or replace table site.rules as
with rule as (
    select
        unique_id as node_unique_id,
        null as column_name,
        unnest(from_json("constraints", '["json"]')) as body
    from dbt.models
    union all
    select
        node_unique_id,
        column_name,
        unnest(from_json("constraints", '["json"]'))
    from dbt.node_columns
)

select
    node_unique_id,
    body ->> 'type' = 'not_null' as is_not_null,
    coalesce(body ->> 'expression', column_name) as says
from rule
where body ->> 'type' in ('not_null', 'check')
order by node_unique_id, says;

-- Which page depends on which: by dbt, and by columns where dbt has a semantic model between.
create or replace table site.edges as
with pair as (
    select
        parent_unique_id as parent,
        child_unique_id as child
    from dbt.edges
    union
    select
        parent_node_unique_id,
        child_node_unique_id
    from dbt.column_lineage
)

select
    pair.parent,
    pair.child
from pair
semi join site.nodes as parent on pair.parent = parent.unique_id
semi join site.nodes as child on pair.child = child.unique_id
where pair.parent <> pair.child
order by pair.parent, pair.child;

-- One row per key that a test holds to have its member elsewhere.
create or replace table site.relationships as
select distinct  -- two tests may say the same
    node_unique_id as child,
    column_name as child_column,
    coalesce(list_filter(depends_on, lambda one: one <> node_unique_id)[1], node_unique_id) as parent,
    arguments ->> 'field' as parent_column
from dbt.data_tests
where test_name = 'relationships' and node_unique_id is not null
order by all;

-- What the latest generation has that the one before did not have, and the other way round.
create or replace table site.news as
with generation as (
    select
        max(invocation_id) as latest,
        max(invocation_id) filter (where invocation_id < (select max(invocation_id) from dbt_rt.invocations)) as earlier
    from dbt_rt.invocations
),

node as (
    select
        node_unique_id,
        min(first_invocation_id) as first_id,
        max(coalesce(last_invocation_id, '~')) as last_id
    from larder.column_history
    group by node_unique_id
)

select
    case
        when node.first_id = latest then 'new table'
        when node.last_id = earlier then 'table gone'
        when history.first_invocation_id = latest and history.column_name in (
            select before.column_name from larder.column_history as before
            where before.node_unique_id = history.node_unique_id and before.first_invocation_id < latest
        ) then 'new type'
        when history.first_invocation_id = latest then 'new column'
        else 'column gone'
    end as what,
    history.node_unique_id,
    list(history.column_name order by history.column_name) as columns
from larder.column_history as history
inner join node using (node_unique_id)
cross join generation
where earlier is not null and (history.first_invocation_id = latest or history.last_invocation_id = earlier)
group by all
order by all;

-- Who may see a table: one row per audience and table that some audience has, with its columns by what becomes of them.
create or replace table site.access as
with columns as (
    select
        audience,
        node_unique_id,
        coalesce(list(column_name order by column_index) filter (treatment = 'as is'), []) as shown,
        coalesce(
            list(column_name || ': ' || treatment order by column_index) filter (treatment not in ('as is', 'not at all')), []
        ) as changed,
        coalesce(list(column_name order by column_index) filter (treatment = 'not at all'), []) as withheld
    from larder.access
    group by audience, node_unique_id
)

select
    tables.audience,
    tables.node_unique_id,
    if(tables.refused is null and columns.shown = [] and columns.changed = [], 'none of its columns is for it', tables.refused) as refused,
    tables.group_column,
    tables.minimum_group,
    tables.row_rules <> [] as has_row_rule,
    columns.* exclude (audience, node_unique_id)
from larder.table_access as tables
inner join columns on tables.audience = columns.audience and tables.node_unique_id = columns.node_unique_id
where tables.node_unique_id in (select node_unique_id from larder.table_access where refused is null)
order by tables.node_unique_id, tables.audience;

-- What becomes of the columns of a class, by audience, the least class first.
create or replace view site.access_by_class as
select
    classes.class,
    classes.description,
    list(coalesce(audiences.sees ->> classes.class, 'not at all') order by audience) as treatments
from larder.classes as classes
cross join larder.audiences as audiences
group by classes.class, classes.description, classes.rank
order by classes.rank;

create or replace view site.declassifiers as
select
    declassifiers.*,
    (
        select count(distinct (child_node_unique_id, child_column_name))
        from larder.lowered_columns
        where declassifier = declassifiers.name
    ) as uses
from larder.declassifiers as declassifiers
order by name;

-- Who may see what: the policy of governance/, and what it means for each column of each table. Reads `policy`: one row per entry of
-- governance/columns.yml, declassifiers.yml and audiences.yml with its body as JSON, and the function turns(expression).

create macro text_of(body) as body ->> '$';

-- The least first: the rank says which class is above another.
create table larder.classes as
select
    name as class,
    text_of(body) as description,
    position as rank,
    name not in ('public', 'internal') as is_personal
from policy
where section = 'classes';

create table larder.declassifiers as
select
    name,
    body ->> 'turns' as turns,
    names(body, 'columns') as columns,
    names(body, 'from') as from_classes,
    body ->> 'to' as to_class,
    names(body, 'types') as types,
    body ->> 'reason' as reason,
    body ->> 'reviewer' as reviewer,
    try_cast(body ->> 'reviewed' as date) as reviewed
from policy
where section = 'declassifiers';

create table larder.audiences as
select
    name as audience,
    body ->> 'purpose' as purpose,
    body ->> 'owner' as owner,
    body ->> 'group' as os_group,
    names(body, 'schemas') as schemas,
    names(body, 'tables') as tables,
    body -> 'sees' as sees,
    -- Without a number nothing that needs one is given.
    case when json_type(body, '$.minimum_group') = 'UBIGINT' then try_cast(body ->> 'minimum_group' as integer) end
        as minimum_group,
    -- Tables and rows only take away: where they are misspelt or empty, nothing would be taken.
    case
        when json_type(body) <> 'OBJECT' then 'the audience says nothing'
        when not list_has_all(
            ['purpose', 'owner', 'group', 'schemas', 'tables', 'sees', 'minimum_group', 'rows'], json_keys(body)
        ) then 'nobody knows all words of the audience'
        when names(body, 'tables') = [] and json_exists(body, 'tables') then 'the tables of the audience are no list'
        when coalesce(json_keys(body, '$.rows'), []) = [] and json_exists(body, 'rows') then 'the row rules of the audience are none'
    end as mistake,
    list_transform(
        coalesce(json_keys(body, '$.rows'), []),
        lambda rule: struct_pack(
            dimension := split_part(rule, '.', 1),
            column_name := split_part(rule, '.', 2),
            listed := coalesce(from_json(body -> 'rows' -> rule, '["varchar"]'), [])
        )
    ) as row_rules
from policy
where section = 'audiences';

create table larder.generalisations as
select
    name as column_name,
    text_of(body) as expression
from policy
where section = 'generalisations';

create table larder.group_sizes as
select
    name as table_name,
    text_of(body) as said
from policy
where section = 'group_sizes';

-- Every relation with its columns' classes, by its name.
create view governed_column as
select
    relation.unique_id as node_unique_id,
    relation.schema_name,
    relation.identifier as table_name,
    relation.resource_type,
    relation.access,
    columns.column_name,
    columns.column_index,
    coalesce(columns.data_type_inferred, columns.data_type_declared) as data_type,
    columns.classification as class,
    -- A column without a class, or with one that there is not, is above all of them.
    coalesce(classes.rank, 99) as rank,
    columns.unresolved
from dbt.node_columns as columns
inner join relation on columns.node_unique_id = relation.unique_id
left join larder.classes as classes on columns.classification = classes.class;

-- The columns that a table has, and whether their values may be shown in the catalog and in reviews: not those of a personal class or
-- of none, and not what is kept of such a value, whatever class that is said to have.
create view larder.shown_columns as
with recursive personal(node_unique_id, column_name) as (
    select
        node_unique_id,
        column_name
    from dbt.node_columns
    left join larder.classes on classification = class
    where coalesce(is_personal, true)
    union
    select
        child_node_unique_id,
        child_column_name
    from dbt.column_lineage
    inner join personal on parent_node_unique_id = node_unique_id and parent_column_name = column_name
    where keeps_value
)

select
    node_unique_id,
    column_name,
    data_type_inferred as data_type,
    (node_unique_id, column_name) not in (from personal) as is_shown
from dbt.node_columns
where data_type_inferred is not null
order by node_unique_id, column_index;

create view household_table as
select distinct node_unique_id
from governed_column
where class = 'pseudonym';

-- Edges by which a value comes into a column that is of a lower class, and the declassifier that allows it, or null.
create view larder.lowered_columns as
with lowered as (
    select
        parent.node_unique_id as parent_node_unique_id,
        parent.column_name as parent_column_name,
        parent.class as parent_class,
        lower(parent.data_type) as parent_type,
        child.node_unique_id as child_node_unique_id,
        child.column_name as child_column_name,
        child.table_name || '.' || child.column_name as child_name,
        child.table_name || '.*' as child_table,
        child.class as child_class,
        child.rank as child_rank,
        lineage.expression,
        child.unresolved
    from dbt.column_lineage as lineage
    inner join governed_column as parent
        on lineage.parent_node_unique_id = parent.node_unique_id and lineage.parent_column_name = parent.column_name
    inner join governed_column as child
        on lineage.child_node_unique_id = child.node_unique_id and lineage.child_column_name = child.column_name
    left join larder.classes as known on parent.class = known.class
    -- Whatever is internal tells nothing of a person: only what does must not sink, and what nobody has classed.
    where lineage.evolution in ('copy', 'mod') and parent.rank > child.rank and coalesce(known.is_personal, true)
),

turned as (
    select
        *,
        case when unresolved is null then turns(coalesce(expression, '')) else [] end as turned
    from lowered
)

select
    turned.* exclude (parent_type, child_name, child_table, child_rank, unresolved, turned),
    (
        select min(declassifiers.name)
        from larder.declassifiers as declassifiers
        inner join larder.classes as left_over on declassifiers.to_class = left_over.class
        where
            list_contains(declassifiers.from_classes, turned.parent_class)
            and left_over.rank <= turned.child_rank
            and (declassifiers.types = [] or list_contains(declassifiers.types, turned.parent_type))
            and coalesce(declassifiers.reason, '') <> ''
            and declassifiers.reviewer in (select name from dbt.groups)
            and declassifiers.reviewed is not null
            and (
                list_contains(turned.turned, declassifiers.turns)
                -- Of the rows of one household a count tells what they have: one of pseudonyms alone says no more than how many.
                and (
                    declassifiers.turns <> 'count'
                    or turned.parent_class = 'pseudonym'
                    or turned.child_node_unique_id not in (from household_table)
                )
                or list_contains(declassifiers.columns, turned.child_name)
                or list_contains(declassifiers.columns, turned.child_table)
            )
    ) as declassifier
from turned;

-- What breaks the rule: a column that is of a lower class than what its value comes from, and nothing reviewed stands between.
create view larder.class_violations as
select
    child_node_unique_id as node_unique_id,
    child_column_name as column_name,
    coalesce(child_class, 'no class') || ', but its value comes from ' || parent_node_unique_id || '.' || parent_column_name
        || ', which is ' || coalesce(parent_class, 'of no class') as reason
from larder.lowered_columns
where declassifier is null
union all
select
    node_unique_id,
    column_name,
    coalesce(class, 'no class') || ', but nobody knows what its value comes from: ' || unresolved as reason
from governed_column
where unresolved is not null and resource_type in ('model', 'snapshot') and rank < (select max(rank) from larder.classes)
union all
select
    node_unique_id,
    column_name,
    coalesce(class, 'no class') || ', which governance/columns.yml does not have' as reason
from governed_column
where rank = 99;

-- The tables that tell of households without one in each row: totals, by any way that a household decides a value or a row.
create view table_of_households as
with recursive reached(node_unique_id) as (
    from household_table
    union
    select child_node_unique_id
    from dbt.column_lineage
    inner join reached on parent_node_unique_id = node_unique_id
)

from reached;

-- One row per audience and public table: whether it is given and, if not, why; and how its rows are chosen.
create view larder.table_access as
with tables as (
    select
        node_unique_id,
        schema_name,
        table_name,
        access,
        node_unique_id in (from household_table) as is_of_households,
        node_unique_id in (from table_of_households) as tells_of_households,
        -- By what its households are counted: the household, or what leads to it.
        min_by(column_name, (column_name <> 'household_id', column_index)) filter (class = 'pseudonym') as household_column,
        list(column_name) as columns
    from governed_column
    where resource_type = 'model'
    group by all
),

judged as (
    select
        audiences.audience,
        tables.* exclude (columns),
        audiences.minimum_group,
        audiences.mistake,
        coalesce(audiences.sees ->> 'pseudonym', 'not at all') in ('as is', 'keyed hash') as sees_households,
        case
            when starts_with(group_sizes.said, 'none, ') then ''
            when list_contains(tables.columns, coalesce(group_sizes.said, 'households')) then coalesce(group_sizes.said, 'households')
        end as group_column,
        audiences.row_rules,
        list_contains(audiences.schemas, tables.schema_name)
        and (audiences.tables = [] or list_contains(audiences.tables, tables.table_name))
        and (tables.access = 'public' or tables.schema_name <> 'marts') as is_meant,
        tables.columns
    from larder.audiences as audiences
    cross join tables
    left join larder.group_sizes as group_sizes on tables.table_name = group_sizes.table_name
),

-- The key of the dimension that a rule names: by it the rows of other tables are chosen.
dimension as (
    select
        identifier as dimension,
        any_value(schema_name) as schema_name,
        any_value(grain[1]) as key_column
    from relation
    where len(grain) = 1
    group by identifier
    having count(*) = 1
),

keyed as (
    select
        judged.audience,
        judged.node_unique_id,
        list(struct_pack(
            schema_name := dimension.schema_name,
            dimension := rule.dimension,
            key_column := dimension.key_column,
            column_name := rule.column_name,
            listed := rule.listed
        )) as row_rules,
        bool_or(rule.listed = [] or len(rule.listed) <> list_aggregate(rule.listed, 'count') or dimension.key_column is null) as is_empty,
        bool_or(not list_contains(judged.columns, dimension.key_column)) as cannot_choose
    from judged, unnest(judged.row_rules) as ruled (rule)
    left join dimension on rule.dimension = dimension.dimension
    group by judged.audience, judged.node_unique_id
)

select
    judged.audience,
    judged.node_unique_id,
    schema_name,
    table_name,
    is_meant,
    case
        when mistake is not null then mistake
        when not is_meant then 'the audience has no use for it'
        when is_of_households and not sees_households then 'its rows are about single households'
        when keyed.is_empty then 'a row rule of the audience has no values'
        when keyed.cannot_choose then 'a row rule of the audience cannot choose its rows'
        when minimum_group is null then 'the audience has no minimum group'
        when tells_of_households and not is_of_households and minimum_group > 1 and group_column is null
            then 'nothing says of how many households a row speaks'
    end as refused,
    is_of_households,
    case when tells_of_households and not is_of_households and minimum_group > 1 then nullif(group_column, '') end as group_column,
    minimum_group,
    coalesce(keyed.row_rules, []) as row_rules,
    household_column
from judged
left join keyed on judged.audience = keyed.audience and judged.node_unique_id = keyed.node_unique_id;

-- One row per audience and column of those tables: as is, keyed hash, generalised, masked, or not at all with the reason.
create view larder.access as
with treated as (
    select
        tables.audience,
        columns.*  exclude (resource_type, access, rank),
        tables.refused,
        case
            when tables.refused is null and columns.unresolved is null
                then coalesce(audiences.sees ->> columns.class, 'not at all')
            else 'not at all'
        end as meant,
        generalisations.expression,
        violations.reason as violation
    from larder.table_access as tables
    inner join larder.audiences as audiences on tables.audience = audiences.audience
    inner join governed_column as columns on tables.node_unique_id = columns.node_unique_id
    left join larder.generalisations as generalisations on columns.column_name = generalisations.column_name
    left join (
        select
            node_unique_id,
            column_name,
            min(reason) as reason
        from larder.class_violations
        group by all
    ) as violations
        on columns.node_unique_id = violations.node_unique_id and columns.column_name = violations.column_name
)

select
    audience,
    node_unique_id,
    schema_name,
    table_name,
    column_name,
    column_index,
    data_type,
    class,
    case
        when violation is not null then 'not at all'
        when meant = 'generalised' and expression is null then 'not at all'
        when meant = 'keyed hash' and lower(data_type) <> 'bigint' then 'not at all'
        when meant in ('as is', 'keyed hash', 'generalised', 'masked') then meant
        else 'not at all'
    end as treatment,
    case when meant = 'generalised' then expression end as expression,
    coalesce(
        refused,
        violation,
        case
            when unresolved is not null then 'nobody knows what its value comes from'
            when meant = 'generalised' and expression is null then 'no way to make it coarser is stated'
            when meant = 'keyed hash' and lower(data_type) <> 'bigint' then 'a keyed hash is of a bigint'
            when meant = 'not at all' then 'the audience does not see what is ' || coalesce(class, 'of no class')
            when meant not in ('as is', 'keyed hash', 'generalised', 'masked') then 'nobody knows what "' || meant || '" is'
        end
    ) as reason
from treated;

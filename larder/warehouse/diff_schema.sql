-- Tables and views that came or went, or are of another kind, and columns that came, went or changed their type.
with relation as (
    select table_catalog as side, table_schema || '.' || table_name as name, if(table_type = 'VIEW', 'view', 'table') as kind
    from information_schema.tables
    where table_catalog in ('before', 'after') and table_schema not in ('raw', 'observe')
),

relations as (
    select
        name,
        any_value(kind) filter (where side = 'before') as before,
        any_value(kind) filter (where side = 'after') as after
    from relation
    group by name
),

columns as (
    select
        schema_name || '.' || table_name as name,
        column_name,
        any_value(data_type) filter (where database_name = 'before') as before,
        any_value(data_type) filter (where database_name = 'after') as after,
        min(if(database_name = 'before', column_index, 100000 + column_index)) as place
    from duckdb_columns()
    where database_name in ('before', 'after') and not internal
    group by all
)

select name as "table", null as "column", if(before is null or after is null, if(before is null, null, 'there'), before) as before,
    if(before is null or after is null, if(after is null, null, 'there'), after) as after, 0 as place
from relations
where before is distinct from after
union all
select columns.name, column_name, columns.before, columns.after, place
from columns
inner join relations on columns.name = relations.name
where relations.before is not null and relations.after is not null and columns.before is distinct from columns.after
order by "table", place

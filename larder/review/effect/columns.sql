-- The columns of the relation that was $old and is $new: types, what is said of them, and what they are good for. What either state
-- of the project keeps from view is not shown.
with before as (
    select column_name, column_index, data_type
    from duckdb_columns()
    where database_name = 'larder' and schema_name || '.' || table_name = $old
),

after as (
    select column_name, column_index, data_type
    from duckdb_columns()
    where database_name = 'workspace' and schema_name || '.' || table_name = $new
),

said as (
    select
        coalesce(after.column_name, before.column_name) as column_name,
        coalesce(before.data_type, '') as before,
        coalesce(after.data_type, '') as after,
        [coalesce(after.data_type, before.data_type), coalesce(before.data_type, after.data_type)] as kinds,
        coalesce(now.unit, was.unit, '') as unit,
        coalesce(now.is_shown, was.is_shown, false) and coalesce(was.is_shown, now.is_shown, false) as is_shown,
        coalesce(after.column_index, before.column_index) as place
    from before
    full join after on before.column_name = after.column_name
    left join review_column_before as was on was.relation = $old and was.column_name = before.column_name
    left join review_column_after as now on now.relation = $new and now.column_name = after.column_name
)

select
    * exclude (kinds, place),
    len(list_filter(kinds, lambda kind: regexp_full_match(kind, '[A-Z]*INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*\)'))) = 2 as is_number,
    len(list_filter(kinds, lambda kind: regexp_full_match(kind, '[A-Z]*INT(EGER)?|FLOAT|DOUBLE|(DECIMAL|VARCHAR|BOOLEAN|DATE|TIME|ENUM)[^\[]*'))) = 2
        as is_ordered,
    is_shown
    and unit = ''
    and before = after
    and regexp_full_match(after, 'VARCHAR|BOOLEAN|DATE|ENUM\(.*\)|[A-Z]*INT(EGER)?') as is_dimension
from said
order by place, after = '', column_name

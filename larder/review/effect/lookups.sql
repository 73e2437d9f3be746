-- The dimensions of other tables that the keys of the relation $new lead to, as the change has them.
select
    lookup.column_name,
    one.database_name,
    lookup.parent,
    lookup.field,
    one.column_name as attribute
from review_lookup_after as lookup
inner join duckdb_columns() as one on one.schema_name || '.' || one.table_name = lookup.parent
inner join review_column_after as said on said.relation = lookup.parent and said.column_name = one.column_name
left join review_column_before as was on was.relation = lookup.parent and was.column_name = one.column_name
where
    lookup.relation = $new
    and said.is_shown
    and coalesce(was.is_shown, true)
    and said.unit = ''
    and regexp_full_match(one.data_type, 'VARCHAR|BOOLEAN|DATE|ENUM\(.*\)|[A-Z]*INT(EGER)?')
    and one.database_name in ('workspace', 'larder')
qualify row_number() over (partition by lookup.parent, one.column_name order by one.database_name desc, lookup.column_name) = 1
order by lookup.parent, one.column_index

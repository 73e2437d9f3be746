-- The classes that the project gives now, where they are above those with which a generation was built.

update dbt.node_columns as built
set classification = now.class
from class_now as now
inner join relation on now.relation_name = relation.schema_name || '.' || relation.identifier
left join larder.classes as classes on now.class = classes.class
where
    built.node_unique_id = relation.unique_id
    and built.column_name = now.column_name
    and coalesce(classes.rank, 99)
    > coalesce((select rank from larder.classes where class = built.classification), 99);

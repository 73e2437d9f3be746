-- What each thing of the project says of itself, and whether that is more than its name. One row per model, column, source and its
-- tables, seed, exposure, metric, saved query, semantic model, group, macro, data test and unit test. Left out is what dbt brings
-- and explains: its own generic tests, and the version of a macro for one engine.

-- Its words, without those that say nothing, each in the singular.
create macro words(text) as list_filter(
    list_transform(regexp_extract_all(lower(text), '[a-z0-9]+'), lambda word: regexp_replace(word, 's$', '')),
    lambda word: word not in ('a', 'an', 'and', 'by', 'for', 'from', 'in', 'it', 'of', 'on', 'or', 'the', 'this', 'to', 'with')
);

create view larder.descriptions as
with described as (
    select 'model' as kind, unique_id, name, description from dbt.models
    union all
    select 'seed' as kind, unique_id, name, description from dbt.seeds
    union all
    select 'source_table' as kind, unique_id, name, description from dbt.sources
    union all
    select 'source' as kind, source_name as unique_id, source_name as name, any_value(source_description) as description
    from dbt.sources
    group by source_name
    union all
    select
        'column' as kind,
        node_unique_id || '.' || column_name as unique_id,
        column_name as name,
        description
    from dbt.node_columns
    union all
    select 'exposure' as kind, unique_id, name, description from dbt.exposures
    union all
    select 'metric' as kind, unique_id, name, description from dbt.metrics
    union all
    select 'saved_query' as kind, unique_id, name, description from dbt.saved_queries
    union all
    select 'semantic_model' as kind, unique_id, name, description from dbt.semantic_models
    union all
    select 'group' as kind, unique_id, name, description from dbt.groups
    union all
    select 'macro' as kind, unique_id, name, description from dbt.macros where not contains(name, '__')
    union all
    select 'data_test' as kind, unique_id, name, description
    from dbt.data_tests
    where test_name not in ('accepted_values', 'not_null', 'relationships', 'unique')
    union all
    select 'unit_test' as kind, unique_id, name, description from dbt.unit_tests
)

select
    kind,
    unique_id,
    name,
    description,
    len(list_filter(words(coalesce(description, '')), lambda word: not list_contains(words(name), word))) > 0 as says_something
from described;

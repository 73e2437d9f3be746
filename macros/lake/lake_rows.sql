{#
  The rows of some Parquet files of the lake as a relation, their columns matched by name. No file need have a column of which none
  was written yet.
    table: the source's node, whose rows they are; paths: `<source>/<file>`, one or more
#}
{% macro lake_rows(table, paths) -%}
    {{ return(adapter.dispatch('lake_rows', 'larder')(table, paths)) }}
{%- endmacro %}


{% macro duckdb__lake_rows(table, paths) -%}
    {%- set files = [] -%}
    {%- for path in paths %}{% do files.append(larder.lake_file(path)) %}{% endfor -%}
    {%- set rows = 'read_parquet([' ~ files | join(', ') ~ '], union_by_name = true)' -%}
    {{ '(select null::bigint as erased where false union all by name from ' ~ rows ~ ')' if table.source_name == 'lake' else rows }}
{%- endmacro %}


{#
  Tables of the declared columns, each over one pattern that names its files: Spark's SQL takes no list of files, and its catalog no long
  text. Buckets have another scheme there. What Hive is not told of, it makes no folder for: the lake is only read.
#}
{% macro spark__lake_rows(table, paths) -%}
    {%- set columns = [] -%}
    {%- for column in table.columns.values() %}{% do columns.append(column.name ~ ' ' ~ engine_type(column.data_type)) %}{% endfor -%}
    {%- set rows = [] -%}
    {%- for files in paths | batch(300) -%}
        {%- set relation = 'raw.' ~ table.identifier ~ '__' ~ loop.index ~ '__files' -%}
        {%- do run_query('drop table if exists ' ~ relation) -%}
        {%- do run_query('create table ' ~ relation ~ ' (' ~ columns | join(', ') ~ ") using parquet options (path '"
            ~ lake_path() | replace('s3://', 's3a://') ~ '/raw/{' ~ files | join(',') ~ "}', skipHiveMetadata 'true')") -%}
        {%- do rows.append('select * from ' ~ relation) -%}
    {%- endfor -%}
    ({{ rows | join(' union all ') }})
{%- endmacro %}

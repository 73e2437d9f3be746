{#
  Bind schema `raw` to the loads that are complete now: one view per declared source table, over an explicit list
  of files. This is the only place that decides which loads count. A load that was interrupted has files but no row
  in dlt's `_dlt_loads`; it stays invisible. A view over named files answers the same when the lake grows.
  A table that no load has brought yet is empty, with the declared types.
#}
{% macro create_raw_views() %}
    {# What is published is closed: its views stay bound to the loads it was built from. #}
    {% if not execute or target.name == 'published' %}{% do return('') %}{% endif %}
    {# `dbt test` judges what was built: bound anew, the marts would be held to loads that they have not seen yet. #}
    {% if flags.WHICH == 'test' and adapter.get_relation(target.database, 'raw', 'completed_loads') %}
        {% do return('') %}
    {% endif %}
    {% set tables = graph.sources.values() | selectattr('schema', 'equalto', 'raw')
        | selectattr('source_name', 'ne', 'lake') | list %}
    {% do run_query('create schema if not exists raw') %}
    {% do run_query('create schema if not exists observe') %}
    {% do run_query('create or replace table raw.completed_loads (source varchar, load_id varchar, completed_at timestamp)') %}
    {% do run_query('create table if not exists observe.built_loads (model varchar, source varchar, load_id varchar)') %}
    {% for source in tables | map(attribute='source_name') | unique | sort %}
        {% do larder.read_completed_loads(source) %}
    {% endfor %}
    {% for table in tables %}
        {% do larder.create_raw_view(table) %}
    {% endfor %}
    {% do return('') %}
{% endmacro %}


{#
  One row per load, however often `_dlt_loads` names it: a load listed twice would double its files below. The name of the
  record counts, as it does for the ingestion: a kill may have cut off what it says. A workspace takes the loads of the
  generation that it stands on: what it builds is then compared like with like, however far the lake has come. Only a source
  that the generation does not know is read as the lake has it.
#}
{% macro read_completed_loads(source) %}
    {% if target.name == 'dev' and env_var('LARDER_BASE', '') %}
        {% do run_query("insert into raw.completed_loads select * from larder.raw.completed_loads where source = '" ~ source ~ "'") %}
        {% if run_query("select count(*) from raw.completed_loads where source = '" ~ source ~ "'").columns[0].values()[0] %}
            {% do return('') %}
        {% endif %}
    {% endif %}
    {% set pattern = larder.quote_path(lake_path() ~ '/raw/' ~ source ~ '/_dlt_loads/*.jsonl') %}
    {% if run_query('select count(*) from glob(' ~ pattern ~ ')').columns[0].values()[0] %}
        {% do run_query(
            "insert into raw.completed_loads select '" ~ source ~ "', named.load_id,"
            ~ " coalesce(min(records.inserted_at), make_timestamp(cast(cast(named.load_id as double) * 1000000 as bigint)))"
            ~ " from (select regexp_extract(file, '__([0-9]+\\.[0-9]+)\\.jsonl$', 1) as load_id from glob(" ~ pattern ~ ")) as named"
            ~ " left join read_json(" ~ pattern
            ~ ", columns = {load_id: 'varchar', inserted_at: 'timestamp'}, format = 'newline_delimited', ignore_errors = true) as records"
            ~ " on named.load_id = records.load_id group by named.load_id"
        ) %}
    {% endif %}
{% endmacro %}


{% macro create_raw_view(table) %}
    {% set files = larder.completed_files(table.source_name, table.name) %}
    {% set columns = table.columns.values() | list %}
    {% if not files %}
        {% set typed = [] %}
        {% for column in columns %}
            {% do typed.append('cast(null as ' ~ column.data_type ~ ') as ' ~ column.name) %}
        {% endfor %}
        {% set body = 'select ' ~ typed | join(', ') ~ ' where false' %}
    {% else %}
        {% set paths = [] %}
        {% for file in files %}{% do paths.append(larder.quote_path(file)) %}{% endfor %}
        {% set body = 'select ' ~ columns | map(attribute='name') | join(', ')
            ~ ' from read_parquet([' ~ paths | join(', ') ~ '], union_by_name = true)' %}
    {% endif %}
    {% do run_query('create or replace view raw.' ~ table.identifier ~ ' as ' ~ body) %}
{% endmacro %}


{# Files of one raw table that belong to a completed load; dlt puts the load id at the head of each file's name. #}
{% macro completed_files(source, table) %}
    {% set pattern = larder.quote_path(lake_path() ~ '/raw/' ~ source ~ '/' ~ table ~ '/*.parquet') %}
    {% set found = run_query(
        'select file from glob(' ~ pattern ~ ') as files'
        ~ " inner join raw.completed_loads as loads on loads.source = '" ~ source ~ "'"
        ~ " and loads.load_id = regexp_extract(files.file, '([0-9]+\\.[0-9]+)\\.[^/]*$', 1) order by file"
    ) %}
    {% do return(found.columns[0].values() | list) %}
{% endmacro %}


{# A path as a string of SQL. #}
{% macro quote_path(path) -%}
    '{{ path | replace("'", "''") }}'
{%- endmacro %}

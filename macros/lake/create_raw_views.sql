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
    {% do run_query('create table if not exists observe.built_parts (model varchar, part varchar, fingerprint ubigint)') %}
    {% for source in tables | map(attribute='source_name') | unique | sort %}
        {% do larder.read_completed_loads(source) %}
    {% endfor %}
    {% for table in tables %}
        {% do larder.create_raw_view(table, larder.completed_files(table.source_name, table.name)) %}
    {% endfor %}
    {% set accounts = [] %}
    {% for source in tables | map(attribute='source_name') | unique | sort %}
        {% do accounts.extend(larder.completed_files(source, 'deliveries')) %}
    {% endfor %}
    {% do larder.create_raw_view(graph.sources['source.larder.lake.deliveries'], accounts) %}
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
            ~ " on named.load_id = records.load_id where named.load_id < coalesce((" ~ larder.first_held_load(source) ~ "), '~')"
            ~ " group by named.load_id"
        ) %}
    {% endif %}
{% endmacro %}


{#
  SQL for the first load of a source that is held: too much of it is in quarantine. The source stands still before it,
  so that what is built is what it was, until somebody has decided.
#}
{% macro first_held_load(source) -%}
    select min(held.load_id)
    from (
        select regexp_extract(file, '[^/]+$') as load_id
        from glob({{ larder.quote_path(lake_path() ~ '/quarantine/' ~ source ~ '/held/[0-9]*') }})
    ) as held
    inner join (
        select regexp_extract(file, '__([0-9]+\.[0-9]+)\.jsonl$', 1) as load_id
        from glob({{ larder.quote_path(lake_path() ~ '/raw/' ~ source ~ '/_dlt_loads/*.jsonl') }})
    ) as loads on held.load_id = loads.load_id
{%- endmacro %}


{% macro create_raw_view(table, files) %}
    {% set columns = table.columns.values() | list %}
    {% if not files %}
        {% set typed = [] %}
        {% for column in columns %}
            {% do typed.append('cast(null as ' ~ column.data_type ~ ') as ' ~ column.name) %}
        {% endfor %}
        {% set body = 'select ' ~ typed | join(', ') ~ ' where false' %}
    {% else %}
        {% set paths = [] %}
        {% for file in files %}{% do paths.append(larder.quote_path(file.path)) %}{% endfor %}
        {% set body = 'select ' ~ columns | map(attribute='name') | join(', ')
            ~ ' from read_parquet([' ~ paths | join(', ') ~ '], union_by_name = true)' %}
        {% if files | selectattr('holds_other_loads') | list %}
            {% set source = 'source' if table.source_name == 'lake' else "'" ~ table.source_name ~ "'" %}
            {% set body = body ~ ' where (' ~ source ~ ', _dlt_load_id) in (select (source, load_id) from raw.completed_loads)' %}
        {% endif %}
    {% endif %}
    {% do run_query('create or replace view raw.' ~ table.identifier ~ ' as ' ~ body) %}
{% endmacro %}


{#
  Files of one raw table that hold completed loads; dlt puts the load id at the head of each file's name. Loads that the
  record of a compaction names are read from its file and not from their own; a workspace on an earlier generation finds
  later loads there too, and leaves them out.
#}
{% macro completed_files(source, table) %}
    {% set folder = lake_path() ~ '/raw/' ~ source %}
    {% set record = larder.quote_path(folder ~ '/_compactions/' ~ table ~ '.jsonl') %}
    {% set is_compacted = run_query('select count(*) from glob(' ~ record ~ ')').columns[0].values()[0] %}
    {% set compacted = "select file, load_id from read_json(" ~ record ~ ", columns = {file: 'varchar', load_id: 'varchar'})"
        if is_compacted else "select '' as file, '' as load_id where false" %}
    {% set found = run_query(
        'with compacted as (' ~ compacted ~ '), completed as ('
        ~ "select load_id from raw.completed_loads where source = '" ~ source ~ "'"
        ~ ') select ' ~ larder.quote_path(folder ~ '/' ~ table ~ '/') ~ ' || compacted.file as path,'
        ~ ' count(*) > count(completed.load_id) as holds_other_loads from compacted'
        ~ ' left join completed on compacted.load_id = completed.load_id'
        ~ ' group by compacted.file having count(completed.load_id) > 0'
        ~ ' union all select files.file, false from glob(' ~ larder.quote_path(folder ~ '/' ~ table ~ '/*.parquet')
        ~ ') as files inner join completed'
        ~ " on completed.load_id = regexp_extract(files.file, '([0-9]+\\.[0-9]+)\\.[^/]*$', 1)"
        ~ ' left join compacted on completed.load_id = compacted.load_id'
        ~ ' where compacted.load_id is null order by path'
    ) %}
    {% set files = [] %}
    {% for row in found.rows %}
        {% do files.append({'path': row['path'], 'holds_other_loads': row['holds_other_loads']}) %}
    {% endfor %}
    {% do return(files) %}
{% endmacro %}


{# A path as a string of SQL. #}
{% macro quote_path(path) -%}
    '{{ path | replace("'", "''") }}'
{%- endmacro %}

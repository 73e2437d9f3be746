{#
  Read the records of visible files: fill `raw.completed_loads`, and return the files, each with `source`, `table_name`, `file`
  and `holds_later_loads`. A workspace takes the loads of the generation that it is based on, so that what it builds can be
  compared with that generation even when the lake has newer loads; compacted files may contain later loads. Only a source that
  the generation does not have is read with all its loads.
#}
{% macro read_visible_files() %}
    {{ return(adapter.dispatch('read_visible_files', 'larder')()) }}
{% endmacro %}


{% macro duckdb__read_visible_files() %}
    {% do run_query(
        'create or replace table raw.completed_loads (source varchar, position bigint, load_id varchar, completed_at timestamp)'
    ) %}
    {% do larder.require_visible_files() %}
    {% if not run_query('from glob(' ~ larder.lake_file('*/_loads/*.csv') ~ ')').rows %}{% do return([]) %}{% endif %}
    {% set record = 'read_json(' ~ larder.lake_file('*/_visible.jsonl') ~ ", format = 'newline_delimited', columns = {"
        ~ "source: 'varchar', table_name: 'varchar', file: 'varchar', first_position: 'bigint', last_position: 'bigint'})" %}
    {% set completed = 'read_csv(' ~ larder.lake_file('*/_loads/*.csv') ~ ", header = false, filename = true, columns = {"
        ~ "position: 'bigint', load_id: 'varchar', completed_at: 'timestamp'})" %}
    {% do run_query(
        'insert into raw.completed_loads select record.source, log.position, log.load_id, log.completed_at from ' ~ completed
        ~ ' as log inner join ' ~ record ~ " as record on record.source = regexp_extract(log.filename, '([^/]+)/_loads/[0-9]+\\.csv$', 1)"
        ~ ' where record.file is null and log.position <= record.last_position'
    ) %}
    {% if target.name == 'dev' and env_var('LARDER_BASE', '') %}
        {% do run_query(
            'delete from raw.completed_loads where source in (select source from larder.raw.completed_loads)'
            ~ ' and (source, load_id) not in (select (source, load_id) from larder.raw.completed_loads)'
        ) %}
    {% endif %}
    {# What Spark has built is bound with the loads that it was built from. #}
    {% if env_var('LARDER_RECORD', '') %}
        {% do run_query(
            "delete from raw.completed_loads where (source, load_id) not in (select (source, load_id) from read_json('"
            ~ env_var('LARDER_RECORD') ~ "/loads.jsonl', format = 'newline_delimited',"
            ~ " columns = {source: 'varchar', load_id: 'varchar'}))"
        ) %}
    {% endif %}
    {% do return(run_query(
        'select record.source, record.table_name, record.file, record.last_position > shown.last_position as holds_later_loads'
        ~ ' from ' ~ record ~ ' as record inner join ('
        ~ 'select source, max(position) as last_position from raw.completed_loads group by source'
        ~ ') as shown on record.source = shown.source and record.first_position <= shown.last_position'
        ~ ' where record.file is not null order by record.source, record.file'
    ).rows) %}
{% endmacro %}


{#
  Spark reads what `larder` has copied of these records: of files whose names begin with an underscore it sees none. All are of one
  moment, so that no file holds later loads.
#}
{% macro spark__read_visible_files() %}
    {% set folder = env_var('LARDER_RECORD', '') %}
    {% if not folder %}
        {% do exceptions.raise_compiler_error('Nobody has said which loads to build: larder build --target spark') %}
    {% endif %}
    {% do run_query(
        "create or replace temporary view larder_loads (source string, position bigint, load_id string, completed_at timestamp_ntz)"
        ~ " using json options (path '" ~ folder ~ "/loads.jsonl')"
    ) %}
    {% do run_query(
        "create or replace temporary view larder_files (source string, table_name string, file string)"
        ~ " using json options (path '" ~ folder ~ "/files.jsonl')"
    ) %}
    {% do run_query('create or replace table raw.completed_loads using iceberg as select * from larder_loads') %}
    {% do return(run_query('select source, table_name, file, false as holds_later_loads from larder_files order by source, file').rows) %}
{% endmacro %}

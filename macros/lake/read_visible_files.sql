{#
  Read the records of visible files: fill `raw.completed_loads`, and return the files, each with `source`, `table_name`, `file`
  and `holds_later_loads`. A workspace takes the loads of the generation that it is based on, so that what it builds can be
  compared with that generation even when the lake has newer loads; compacted files may contain later loads. Only a source that
  the generation does not have is read with all its loads.
#}
{% macro read_visible_files() %}
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
    {% do return(run_query(
        'select record.source, record.table_name, record.file, record.last_position > shown.last_position as holds_later_loads'
        ~ ' from ' ~ record ~ ' as record inner join ('
        ~ 'select source, max(position) as last_position from raw.completed_loads group by source'
        ~ ') as shown on record.source = shown.source and record.first_position <= shown.last_position'
        ~ ' where record.file is not null order by record.source, record.file'
    ).rows) %}
{% endmacro %}

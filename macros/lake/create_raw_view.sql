{#
  Create the view of one raw table over its visible files; without files it is empty, with the declared types.
    table: the source's node; files: rows of `read_visible_files`
#}
{% macro create_raw_view(table, files) %}
    {% set columns = table.columns.values() | list %}
    {% if not files %}
        {% set typed = [] %}
        {% for column in columns %}
            {% do typed.append('cast(null as ' ~ engine_type(column.data_type) ~ ') as ' ~ column.name) %}
        {% endfor %}
        {% set body = 'select ' ~ typed | join(', ') ~ ' where false' %}
    {% else %}
        {% set paths = [] %}
        {% for file in files %}
            {% do paths.append(file.source ~ '/' ~ file.file) %}
        {% endfor %}
        {% set body = 'select ' ~ columns | map(attribute='name') | join(', ') ~ ' from ' ~ larder.lake_rows(table, paths) %}
        {% if files | selectattr('holds_later_loads') | list %}
            {% set source = 'source' if table.source_name == 'lake' else "'" ~ table.source_name ~ "'" %}
            {% set body = body ~ ' where (' ~ source ~ ', _dlt_load_id) in (select '
                ~ ('source, load_id' if target.type == 'spark' else '(source, load_id)') ~ ' from raw.completed_loads)' %}
        {% endif %}
    {% endif %}
    {% do run_query('create or replace view raw.' ~ table.identifier ~ ' as ' ~ body) %}
{% endmacro %}

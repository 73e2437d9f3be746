{#
  Write which files make each table now, as JSON lines of schema_name, relation_name, and data_path or metadata_path: a reader takes
  its data as they are at this moment, whatever is written to the table later, and nobody removes what a generation needs.
    folder: where to; what is there is replaced
#}
{% macro record_files(folder) %}
    {% set files = [] %}
    {% for place in run_query('show schemas').columns[0].values() if place != 'default' %}
        {% set views = run_query('show views in ' ~ place).columns[1].values() | list %}
        {% for table in run_query('show tables in ' ~ place).columns[1].values() if table not in views and not table.endswith('__files') %}
            {% set relation = place ~ '.' ~ table %}
            {% set begin = "select '" ~ place ~ "' as schema_name, '" ~ table ~ "' as relation_name, " %}
            {% set version = 'cast(regexp_extract(file, "([0-9]+)-[^/]*$", 1) as int)' %}
            {% do files.append(begin ~ 'cast(null as string) as data_path, max_by(file, ' ~ version ~ ') as metadata_path from '
                ~ relation ~ '.metadata_log_entries') %}
            {% do files.append(begin ~ 'file_path, null from ' ~ relation ~ '.files') %}
            {% do files.append(begin ~ 'null, path from ' ~ relation ~ '.manifests') %}
            {% do files.append(begin ~ 'null, manifest_list from ' ~ relation ~ '.snapshots where snapshot_id in (select snapshot_id from '
                ~ relation ~ '.refs)') %}
        {% endfor %}
    {% endfor %}
    {% do run_query(
        "insert overwrite directory '" ~ folder ~ "' using json select /*+ coalesce(1) */ * from (" ~ files | join(' union all ') ~ ') as files'
    ) %}
{% endmacro %}

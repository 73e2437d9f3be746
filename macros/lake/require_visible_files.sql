{# Stop where the lake has loads and no record of them: the raw tables would be empty. #}
{% macro require_visible_files() %}
    {% set found = run_query(
        "select distinct regexp_extract(file, '([^/]+)/_dlt_loads/[^/]+$', 1) as source from glob("
        ~ larder.lake_file('*/_dlt_loads/*.jsonl') ~ ') where source not in ('
        ~ "select regexp_extract(file, '([^/]+)/_visible.jsonl$', 1) from glob(" ~ larder.lake_file('*/_visible.jsonl') ~ ')) order by source'
    ).columns[0].values() %}
    {% if found %}
        {% do exceptions.raise_compiler_error(
            'The lake has loads of ' ~ found | join(', ') ~ ' and no record of what readers see of them (_visible.jsonl).'
            ~ ' Write it, which takes a moment: larder plan'
        ) %}
    {% endif %}
{% endmacro %}

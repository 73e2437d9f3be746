{#
  Bind schema `raw` to what the lake shows now: one view per declared source table, over an explicit list of files. Which loads
  and files are visible, ingestion records once per source, in `_visible.jsonl`, which this macro reads. A view over named files
  gives the same rows when the lake grows. A table that no load has brought yet is empty, with the declared types.
#}
{% macro create_raw_views() %}
    {# What is published is closed: its views stay bound to the loads it was built from. #}
    {% if not execute or target.name == 'published' %}{% do return('') %}{% endif %}
    {# `dbt test` tests what was built: bound again, the marts would be compared with loads that they have not seen yet. #}
    {% if flags.WHICH == 'test' and adapter.get_relation(target.database, 'raw', 'completed_loads') %}
        {% do return('') %}
    {% endif %}
    {% set tables = graph.sources.values() | selectattr('schema', 'equalto', 'raw')
        | selectattr('source_name', 'ne', 'lake') | list %}
    {% do larder.create_record_tables() %}
    {% set files = larder.read_visible_files() %}
    {% for table in tables %}
        {% do larder.create_raw_view(
            table, files | selectattr('source', 'equalto', table.source_name) | selectattr('table_name', 'equalto', table.name) | list
        ) %}
    {% endfor %}
    {% set sources = tables | map(attribute='source_name') | unique | list %}
    {% do larder.create_raw_view(
        graph.sources['source.larder.lake.deliveries'],
        files | selectattr('source', 'in', sources) | selectattr('table_name', 'equalto', 'deliveries') | list
    ) %}
    {% do return('') %}
{% endmacro %}

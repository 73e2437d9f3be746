{#
  A path below the raw lake as an SQL string. `path` may have wildcards; those in the lake's own path are escaped.
    path: `<source>/<file>`
#}
{% macro lake_file(path) -%}
    {%- set folder = modules.re.sub('([\\[*?])', '[\\1]', lake_path() ~ '/raw/') -%}
    '{{ (folder ~ path) | replace("'", "''") }}'
{%- endmacro %}

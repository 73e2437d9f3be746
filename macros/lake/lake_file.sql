{#
  A path below the raw lake as a string of SQL, in which `path` may have wildcards and the lake's own path none.
    path: `<source>/<file>`
#}
{% macro lake_file(path) -%}
    {%- set folder = modules.re.sub('([\\[*?])', '[\\1]', lake_path() ~ '/raw/') -%}
    '{{ (folder ~ path) | replace("'", "''") }}'
{%- endmacro %}

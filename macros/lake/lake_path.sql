{# Path of the lake, for every macro that reads it. #}
{% macro lake_path() -%}
    {{ env_var('LARDER_LAKE', env_var('LARDER_DATA', 'data') ~ '/lake') }}
{%- endmacro %}

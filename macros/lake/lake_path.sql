{# Where the raw Parquet lies. One answer for every macro that reads the lake. #}
{% macro lake_path() -%}
    {{ env_var('LARDER_LAKE', env_var('LARDER_DATA', 'data') ~ '/lake') }}
{%- endmacro %}

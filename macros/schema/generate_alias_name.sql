{#
  The latest version of a model has its bare name: readers query marts.agg_sales_daily and follow it; those who need time
  read marts.agg_sales_daily_v1.
#}
{% macro generate_alias_name(custom_alias_name=none, node=none) -%}
    {%- if node.version and node.version == node.latest_version -%}
        {{ node.name }}
    {%- else -%}
        {{ default__generate_alias_name(custom_alias_name, node) }}
    {%- endif -%}
{%- endmacro %}

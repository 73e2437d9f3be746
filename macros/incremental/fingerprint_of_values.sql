{#
  One number by which two rows are compared: equal if they have the same values, in this order. Of one engine: what it gives is
  recorded and compared there, and never with another's.
    values: a list of expressions; types count
#}
{% macro fingerprint_of_values(values) -%}
    {{ return(adapter.dispatch('fingerprint_of_values', 'larder')(values)) }}
{%- endmacro %}


{% macro duckdb__fingerprint_of_values(values) -%}
    hash({{ values | join(', ') }})
{%- endmacro %}


{# Spark leaves nulls out: what is null is hashed beside. #}
{% macro spark__fingerprint_of_values(values) -%}
    xxhash64({% for value in values %}{{ value }}, isnull({{ value }}){{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

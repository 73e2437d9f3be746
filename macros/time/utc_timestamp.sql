{# An instant as a plain timestamp in UTC: the content of every column named `_at`. #}
{% macro utc_timestamp(instant) -%}
    {{ return(adapter.dispatch('utc_timestamp', 'larder')(instant)) }}
{%- endmacro %}


{% macro duckdb__utc_timestamp(instant) -%}
    timezone('UTC', {{ instant }})
{%- endmacro %}


{# The session's time zone is UTC. #}
{% macro spark__utc_timestamp(instant) -%}
    cast({{ instant }} as timestamp_ntz)
{%- endmacro %}

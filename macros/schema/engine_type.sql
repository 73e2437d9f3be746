{# A type that the project declares, by the name that the engine has for it. #}
{% macro engine_type(data_type) -%}
    {{ return(adapter.dispatch('engine_type', 'larder')(data_type)) }}
{%- endmacro %}


{% macro default__engine_type(data_type) -%}
    {{ data_type }}
{%- endmacro %}


{# A number without a sign holds a fingerprint, of which Spark makes one with a sign. #}
{% macro spark__engine_type(data_type) -%}
    {{ {
        'varchar': 'string',
        'ubigint': 'bigint',
        'timestamp': 'timestamp_ntz',
        'timestamp with time zone': 'timestamp_ltz',
    }.get(data_type | lower, data_type) }}
{%- endmacro %}

{# The columns of a query, each with its type without a width. #}
{% macro spark_kinds_of_columns(sql) %}
    {%- set kinds = {} -%}
    {%- for row in run_query('describe query ' ~ sql).rows -%}
        {%- set type = row[1] -%}
        {%- if type in ('tinyint', 'smallint', 'int', 'bigint') or (type.startswith('decimal') and type.endswith(',0)')) -%}
            {%- set type = 'whole number' -%}
        {%- elif type.startswith('decimal') -%}
            {%- set type = 'decimal of ' ~ type.split(',')[1][:-1] ~ ' places' -%}
        {%- endif -%}
        {%- do kinds.update({row[0] | lower: type}) -%}
    {%- endfor -%}
    {%- do return(kinds) -%}
{% endmacro %}

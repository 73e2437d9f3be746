{# Stop where the columns of a query are not those of the contract, by name and kind: see get_select_subquery. #}
{% macro spark__get_assert_columns_equivalent(sql) -%}
    {%- set kinds = larder.spark_kinds_of_columns(sql) -%}
    {%- set declared = larder.spark_kinds_of_columns(get_empty_schema_sql(model.columns)) -%}
    {%- if kinds != declared -%}
        {%- set differing = [] -%}
        {%- for name in (kinds.keys() | list + declared.keys() | list) | unique | sort -%}
            {%- if kinds.get(name) != declared.get(name) -%}
                {%- do differing.append(name ~ ' is ' ~ kinds.get(name, 'missing') ~ ', and ' ~ declared.get(name, 'not') ~ ' declared') -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do exceptions.raise_compiler_error('The contract is not met: ' ~ differing | join('; ')) -%}
    {%- endif -%}
{%- endmacro %}

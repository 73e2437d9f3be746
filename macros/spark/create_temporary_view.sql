{# What an increment adds has the types of the contract, as the table has that it is added to. #}
{% macro spark__create_temporary_view(relation, compiled_code) %}
    create or replace temporary view {{ relation }} as {{ larder.columns_by_contract(compiled_code) }}
{% endmacro %}

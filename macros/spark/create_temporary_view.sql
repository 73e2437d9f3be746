{# What an increment adds has the types of the contract, as the table has that it is added to. #}
{% macro spark__create_temporary_view(relation, compiled_code) %}
    {% set contract = config.get('contract') %}
    create or replace temporary view {{ relation }} as
    {% if contract and contract.enforced %}
        {{ get_assert_columns_equivalent(compiled_code) }}
        {{ get_select_subquery(compiled_code) }}
    {% else %}
        {{ compiled_code }}
    {% endif %}
{% endmacro %}

{# A view with a contract has its types, as a table has. #}
{% macro spark__create_view_as(relation, sql) %}
    create or replace view {{ relation }} as {{ larder.columns_by_contract(sql) }}
{% endmacro %}

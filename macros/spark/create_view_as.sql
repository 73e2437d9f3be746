{# A view with a contract has its types, as a table has. #}
{% macro spark__create_view_as(relation, sql) %}
    create or replace view {{ relation }} as
    {% if config.get('contract').enforced %}
        {{ get_assert_columns_equivalent(sql) }}
        {{ get_select_subquery(sql) }}
    {% else %}
        {{ sql }}
    {% endif %}
{% endmacro %}

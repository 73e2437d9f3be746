{# A query as its model's contract has it: checked, and in the declared types. Without a contract, the query itself. #}
{% macro columns_by_contract(sql) %}
    {% if config.get('contract').enforced %}
        {{ get_assert_columns_equivalent(sql) }}
        {{ get_select_subquery(sql) }}
    {% else %}
        {{ sql }}
    {% endif %}
{% endmacro %}

{#
  On Spark, a model with a contract gives its columns in the declared order and types. The names must be those of the contract; a
  whole number or a decimal is as wide as it says, because Spark's counts, ranks and sums have other widths than DuckDB's. What
  differs otherwise, a text for a number or other decimal places, is an error as it is on DuckDB.
#}
{% macro spark__get_select_subquery(sql) %}
    select
        {% for column in model.columns.values() %}
            cast({{ column.name }} as {{ larder.engine_type(column.data_type) }}) as {{ column.name }}{{ ',' if not loop.last }}
        {% endfor %}
    from (
        {{ sql }}
    ) as built
{% endmacro %}

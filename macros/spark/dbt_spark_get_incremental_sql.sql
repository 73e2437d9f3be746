{#
  Strategy delete+insert: the rows of each key of what is new are replaced. dbt-spark's own name, in whose place this stands. The source
  is a view, read by both statements: a model that looks at itself gives rows only of keys that it does not have.
#}
{% macro dbt_spark_get_incremental_sql(strategy, source, target, existing, unique_key, incremental_predicates) %}
    {% if unique_key %}
        {% set keys = [unique_key] if unique_key is string else unique_key %}
        {% do run_query(
            'delete from ' ~ target ~ ' as built where exists (select 1 from ' ~ source ~ ' as fresh where '
            ~ larder.keys_equal('built', 'fresh', keys) ~ ')'
        ) %}
    {% endif %}
    {{ get_insert_into_sql(source, target) }}
{% endmacro %}

-- The sum of each column, before as b0, b1, … and after as a0, a1, …; null where it is not there.
{% macro total(column, table, is_there) %}{% if is_there %}(select sum({{ column | name }}) from {{ table }}){% else %}null{% endif %}{% endmacro %}
select
    {% for one in columns %}
    {{ total(one.column_name, before, one.before) }} as b{{ loop.index0 }},
    {{ total(one.column_name, after, one.after) }} as a{{ loop.index0 }}{{ "," if not loop.last }}
    {% endfor %}

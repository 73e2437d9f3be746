{#
  Whether a state begins a version of a type-2 history: it is the first of its key, or differs from the one before. A value that
  becomes unknown, or known, is a change.
  key: column of what has the history; tracked: columns whose change begins a version. States are ordered by state_date.
#}
{% macro begins_version(key, tracked) -%}
    (
        lag(state_date) over (partition by {{ key }} order by state_date) is null
        {% for column in tracked %}
            or ({{ column }} is distinct from lag({{ column }}) over (partition by {{ key }} order by state_date))
        {% endfor %}
    )
{%- endmacro %}

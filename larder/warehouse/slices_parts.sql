{% macro shown(dimensions) %}
{% for of, place, name in dimensions %}{{ of }}.{{ name | name }} as x{{ place }}, {% endfor %}
{% endmacro %}

{% macro joined(lookups) %}
{% for one in lookups %}
left join {{ one.table }} as l{{ loop.index0 }} on t.{{ one.column | name }} = l{{ loop.index0 }}.{{ one.key | name }}
{% endfor %}
{% endmacro %}

{% macro on_key(key) %}
{% for one in key %}{{ " and " if not loop.first }}t.{{ one }} is not distinct from differing.k{{ loop.index0 }}{% endfor %}
{% endmacro %}

{#
  Totals that come from several relations, for a side of `totals_agree`: a row per relation and group, with 0 for each total
  that is another relation's.
    relations: for each relation, or CTE of the test that calls it, its totals {name: expression}
    by: columns of all relations that make the groups
#}
{% macro totals_of(relations, by=[]) %}
    {% set names = [] %}
    {% for totals in relations.values() %}
        {% do names.extend(totals) %}
    {% endfor %}
    {% for relation, totals in relations.items() %}
        select
            {% for column in by %}
                {{ column }},
            {% endfor %}
            {% for name in names %}
                {{ totals.get(name, 0) }} as {{ name }}{{ ',' if not loop.last }}
            {% endfor %}
        from {{ relation }}
        {{ 'group by ' ~ by | join(', ') if by }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
{% endmacro %}

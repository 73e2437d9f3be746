{#
  The groups in which two relations do not add up to the same, each total side by side: the body of a reconciliation.
  A group that one side does not have shows as well. Sums of nothing are 0.
    expected, actual: relations, or CTEs of the test that calls it
    by: columns of both that make the groups; without it the grand totals are compared
    sums: columns of both whose sums agree
    also: totals that the two sides write differently, {name: [expression over expected, expression over actual]}
#}
{% macro totals_agree(expected, actual, by=[], sums=[], also={}) %}
    {% set totals = dict(also) %}
    {% for column in sums %}
        {% do totals.update({column: ['coalesce(sum(' ~ column ~ '), 0)', 'coalesce(sum(' ~ column ~ '), 0)']}) %}
    {% endfor %}
    with sides as (
        select
            {% for column in by %}
                {{ column }},
            {% endfor %}
            {% for name, expressions in totals.items() %}
                {{ expressions[0] }} as expected_{{ name }},
                null as actual_{{ name }}{{ ',' if not loop.last }}
            {% endfor %}
        from {{ expected }}
        {{ 'group by ' ~ by | join(', ') if by }}
        union all
        select
            {% for column in by %}
                {{ column }},
            {% endfor %}
            {% for name, expressions in totals.items() %}
                null as expected_{{ name }},
                {{ expressions[1] }} as actual_{{ name }}{{ ',' if not loop.last }}
            {% endfor %}
        from {{ actual }}
        {{ 'group by ' ~ by | join(', ') if by }}
    )

    select
        {% for column in by %}
            {{ column }},
        {% endfor %}
        {% for name in totals %}
            max(expected_{{ name }}) as expected_{{ name }},
            max(actual_{{ name }}) as actual_{{ name }}{{ ',' if not loop.last }}
        {% endfor %}
    from sides
    {{ 'group by ' ~ by | join(', ') if by }}
    having
        {% for name in totals %}
            max(expected_{{ name }}) is distinct from max(actual_{{ name }}){{ ' or' if not loop.last }}
        {% endfor %}
{% endmacro %}

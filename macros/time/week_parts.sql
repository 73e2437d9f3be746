{#
  Conditions that divide rows by the retailer's week, so that a table too large for one hash table is grouped piece by piece,
  and is stored in the order of weeks. Every row meets exactly one of them, also one without a week. A part has the same weeks
  of every 52: the number of parts stays the same over the years.
    column: the week number
    weeks: how many of 52 weeks are in a part
#}
{% macro week_parts(column, weeks) %}
    {% set parts = [] %}
    {% for first in range(0, 52, weeks) %}
        {% set place = '(' ~ column ~ ' - 1) % 52' %}
        {% set part = place ~ ' between ' ~ first ~ ' and ' ~ (first + weeks - 1) %}
        {# a remainder may be negative #}
        {% do parts.append('(' ~ place ~ ' < ' ~ weeks ~ ' or ' ~ column ~ ' is null)' if loop.first else part) %}
    {% endfor %}
    {% do return(parts) %}
{% endmacro %}

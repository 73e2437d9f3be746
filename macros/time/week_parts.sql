{#
  Conditions that part rows by the retailer's week, so that a table too large for one hash table is grouped piece by piece, and
  lies in the order of weeks. Every row meets exactly one of them, also one without a week, or of a week that no calendar has.
    column: the week number
    weeks: how many of the 53 weeks are in a part
#}
{% macro week_parts(column, weeks) %}
    {% set parts = [] %}
    {% for first in range(1, 54, weeks) %}
        {% set bounds = [] %}
        {% if not loop.first %}{% do bounds.append(column ~ ' >= ' ~ first) %}{% endif %}
        {% if not loop.last %}{% do bounds.append(column ~ ' < ' ~ (first + weeks)) %}{% endif %}
        {% set part = bounds | join(' and ') or 'true' %}
        {% do parts.append('(' ~ part ~ ' or ' ~ column ~ ' is null)' if loop.first else part) %}
    {% endfor %}
    {% do return(parts) %}
{% endmacro %}

{# Lower bound of the band of a number (not negative), 0 for the first. bounds: where the next bands begin, ascending. #}
{% macro band_start(measure, bounds) -%}
    case
        {% for bound in bounds | reverse %}
            when {{ measure }} >= {{ bound }} then {{ bound }}
        {% endfor %}
        else 0
    end
{%- endmacro %}

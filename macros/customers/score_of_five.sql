{# Fifth of the rows by a measure: 5 is the fifth with the highest values. Equal values have equal scores. #}
{% macro score_of_five(measure) -%}
    cast(5 - {{ whole_quotient('5 * (rank() over (order by ' ~ measure ~ ' desc) - 1)', 'count(*) over ()') }} as integer)
{%- endmacro %}

{#
  How many households bought in the cases that `lift_clusters` adds up, by `by`.
  cases: the same CTE; basket_lines: a CTE of fct_basket_lines.
#}
{% macro lift_households(cases, basket_lines, by) %}
    select
        {% for column in by %}
            {{ cases }}.{{ column }},
        {% endfor %}
        -- distinct: a household may buy in many cases
        count(distinct {{ basket_lines }}.household_id) as households
    from {{ cases }}
    inner join {{ basket_lines }}
        on
            {{ cases }}.product_id = {{ basket_lines }}.product_id
            and {{ cases }}.store_id = {{ basket_lines }}.store_id
            and {{ cases }}.week_number = {{ basket_lines }}.week_number
    where {{ cases }}.expected_units is not null
    group by {% for column in by %}{{ cases }}.{{ column }}{{ ', ' if not loop.last }}{% endfor %}

{% endmacro %}

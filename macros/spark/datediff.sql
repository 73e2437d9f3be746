{# Days between two dates, null where one is: dbt-spark's own makes sure that a date is one, row by row. #}
{% macro spark__datediff(first_date, second_date, datepart) -%}
    {%- if datepart != 'day' -%}
        {%- do exceptions.raise_compiler_error("Engines count '" ~ datepart ~ "' differently: count days") -%}
    {%- endif -%}
    datediff(cast({{ second_date }} as date), cast({{ first_date }} as date))
{%- endmacro %}

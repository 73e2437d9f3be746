{#
  Whether the year that has control totals has been delivered completely, as a condition: the files reach its last day. Totals
  of the year are compared only then; on any prefix of it the daily and weekly totals do the same.
    alone: and nothing after it, for what is counted over all that was ever delivered
#}
{% macro control_year_is_complete(alone=false) -%}
    (select max(business_date) from {{ ref('fct_basket_lines') }} where is_settled)
    {{ '=' if alone else '>=' }} (select max(business_date) from ({{ control_totals_daily() }}) as control_days)
{%- endmacro %}

{#
  Whether the whole year has been delivered, as a condition: the files reach the last day that has control totals.
  Totals of the year hold only then; on any prefix of it the daily and weekly totals do the same work.
#}
{% macro year_is_complete() -%}
    (select max(business_date) from {{ ref('fct_basket_lines') }} where is_settled)
    = (select max(business_date) from {{ ref('control_totals_daily') }})
{%- endmacro %}

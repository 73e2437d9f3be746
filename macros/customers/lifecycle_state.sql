{#
  State of a household at the end of a week, the first rule that applies: new in the week of its first purchase; returned in the
  week in which it buys again after 56 days or more without; active for 28 days after a purchase; at_risk for the 28 after
  that; then lapsed. Why these limits: docs/decisions/0031.
  is_first_week: condition; gap_days: days without a purchase before the week's first one, null in a week without;
  days_since_purchase: days from the last purchase to the end of the week.
#}
{% macro lifecycle_state(is_first_week, gap_days, days_since_purchase) -%}
    case
        when {{ is_first_week }} then 'new'
        when {{ gap_days }} >= 56 then 'returned'
        when {{ days_since_purchase }} < 28 then 'active'
        when {{ days_since_purchase }} < 56 then 'at_risk'
        else 'lapsed'
    end
{%- endmacro %}

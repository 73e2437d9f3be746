{#
  Segment of a household, the first rule that applies: no_purchase; lapsed and at_risk by its lifecycle state; new for its first
  56 days; then by how it ranks among all that have bought, in fifths (5 is the highest): champion if it is in the top fifth
  by frequency and by spend; loyal if in the two top fifths by frequency; big_spender if in the two top fifths by spend;
  occasional otherwise.
  state: lifecycle state, null for a household that never bought; tenure_days: days since its first purchase;
  frequency_score, monetary_score: 1 to 5.
#}
{% macro household_segment(state, tenure_days, frequency_score, monetary_score) -%}
    case
        when {{ state }} is null then 'no_purchase'
        when {{ state }} in ('lapsed', 'at_risk') then {{ state }}
        when {{ tenure_days }} < 56 then 'new'
        when {{ frequency_score }} = 5 and {{ monetary_score }} = 5 then 'champion'
        when {{ frequency_score }} >= 4 then 'loyal'
        when {{ monetary_score }} >= 4 then 'big_spender'
        else 'occasional'
    end
{%- endmacro %}

{#
  What observe.anomalies says of this model's latest day: new anomalies within the alert budget of their tier, the largest scores
  first. A warning, as a rule: the day may be right, and nothing but a person can tell.
  Label what was no fault, or was one and is over, with `larder incident label`, so that it teaches the next days nothing.
#}
{% test anomalies(model, listed_in) %}
    select
        measure,
        member,
        at_date,
        measured_value,
        expected_value,
        anomaly_score
    from {{ listed_in }}
    where relation_name = '{{ model.identifier }}' and is_latest_day and is_alert
    order by anomaly_score desc, measure, member
{% endtest %}

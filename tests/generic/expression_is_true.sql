{#
  The expression is true on every row; null counts as a violation, because a rule that cannot be evaluated is not met.
  For views: a table has it as a check of its contract, which is evaluated only on rows that are written (docs/decisions/0023).
  arguments: expression, a condition over the columns of the model.
#}
{% test expression_is_true(model, expression) %}
    select *
    from {{ model }}
    where not coalesce({{ expression }}, false)
{% endtest %}

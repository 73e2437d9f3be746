{#
  The expression holds on every row; null counts as broken, because a rule that cannot be judged is not kept.
  For views: a table says it as a check of its contract, which judges only what is written (docs/decisions/0023).
  arguments: expression, a condition over the columns of the model.
#}
{% test expression_is_true(model, expression) %}
    select *
    from {{ model }}
    where not coalesce({{ expression }}, false)
{% endtest %}

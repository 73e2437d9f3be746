{#
  Pre-hook of the staged till lines: delete, in the model's own transaction, those that it will stage again, where
  they are still delivered.
#}
{% macro delete_affected_lines() %}
    {% if is_incremental() %}
        delete from {{ this }}
        where (basket_id, product_id) in (
            select (affected.basket_id, affected.product_id)
            from ({{ affected_lines() }}) as affected
        )
    {% endif %}
{% endmacro %}

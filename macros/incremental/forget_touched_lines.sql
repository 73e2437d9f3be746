{#
  Pre-hook of the staged till lines: delete, in the model's own transaction, those that it will stage again, if they are still
  there.
#}
{% macro forget_touched_lines() %}
    {% if is_incremental() %}
        delete from {{ this }}
        where (basket_id, product_id) in (
            select (touched.basket_id, touched.product_id)
            from ({{ touched_lines() }}) as touched
        )
    {% endif %}
{% endmacro %}

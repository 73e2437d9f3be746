{#
  Pre-hook of the staged till lines: delete, in the model's own transaction, the receipts that it will stage again, where
  they are still delivered.
#}
{% macro delete_affected_receipts() %}
    {% if is_incremental() %}
        delete from {{ this }}
        where receipt_number in (select affected.receipt_number from ({{ affected_receipts() }}) as affected)
    {% endif %}
{% endmacro %}

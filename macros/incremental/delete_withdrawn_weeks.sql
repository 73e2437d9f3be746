{#
  Pre-hook of fct_promotions: delete, in the model's own transaction, the weeks whose plan has been delivered again without a
  placement. A week that still has some is replaced when it is built again.
    placements: the relation that the model is built from
#}
{% macro delete_withdrawn_weeks(placements) %}
    {% if is_incremental() %}
        delete from {{ this }}
        where
            week_number in (
                select built.week_number
                from (select week_number from {{ this }} group by week_number) as built
                left join (select week_number from {{ placements }} group by week_number) as planned
                    on built.week_number = planned.week_number
                where planned.week_number is null
            )
    {% endif %}
{% endmacro %}

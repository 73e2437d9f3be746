{#
  Pre-hook of agg_promotion_cases_weekly: delete, in the model's own transaction, all weeks from the first one on whose sales
  differ from those in the mart, or for which a load not yet built has placements. What sold in a week, or when a product was
  first seen, affects all later weeks.
    basket_lines, planned_store_weeks, placements: the relations that the model is built from
#}
{% macro delete_stale_promotion_weeks(basket_lines, planned_store_weeks, placements) %}
    {% set sold_lines = ['1', 'coalesce(units, 0)'] %}
    {% set sold_cases = ['lines', 'units'] %}
    {% for column in ['sales_usd', 'loyalty_discount_usd', 'coupon_discount_usd', 'coupon_match_discount_usd'] %}
        {# whole cents #}
        {% do sold_lines.append('cast(' ~ column ~ ' * 100 as bigint)') %}
        {% do sold_cases.append('cast(' ~ column ~ ' * 100 as bigint)') %}
    {% endfor %}
    {% if is_incremental() %}
        delete from {{ this }}
        where week_number >= (
            -- Lines need not be added up by case to be compared with the cases that were made of them.
            with sold_weeks as (
                select
                    basket_lines.week_number,
                    {{ fingerprint_of_sums(['basket_lines.product_id', 'basket_lines.store_id'], sold_lines) }} as fingerprint
                from {{ basket_lines }} as basket_lines
                inner join {{ planned_store_weeks }} as planned_store_weeks
                    on
                        basket_lines.store_id = planned_store_weeks.store_id
                        and basket_lines.week_number = planned_store_weeks.week_number
                group by basket_lines.week_number
            ),

            built_weeks as (
                select
                    week_number,
                    {{ fingerprint_of_sums(['product_id', 'store_id'], sold_cases) }} as fingerprint
                from {{ this }}
                where lines > 0
                group by week_number
            ),

            changed_weeks as (
                select coalesce(sold_weeks.week_number, built_weeks.week_number) as week_number
                from sold_weeks
                full outer join built_weeks
                    on sold_weeks.week_number = built_weeks.week_number
                where sold_weeks.fingerprint is distinct from built_weeks.fingerprint
                union all
                select week_number
                from {{ placements }}
                where load_id in {{ unbuilt_loads('promotions') }}
                union all
                -- a plan that was delivered again without a placement
                select built.week_number
                from {{ this }} as built
                left join {{ planned_store_weeks }} as planned_store_weeks
                    on
                        built.store_id = planned_store_weeks.store_id
                        and built.week_number = planned_store_weeks.week_number
                where planned_store_weeks.store_id is null
            )

            select min(week_number)
            from changed_weeks
        )
    {% endif %}
{% endmacro %}

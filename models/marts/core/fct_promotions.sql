-- grain: one row per product, store and week
with promotions as (
    select * from {{ ref('int_promotions_grouped') }}
),

placements as (
    select * from {{ ref('stg_promotions__placements') }}
),

{% if is_incremental() %}
    -- The weeks to build again, each from all its completed loads.
    touched_weeks as (
        select week_number
        from placements
        where load_id in {{ unbuilt_loads('promotions') }}
        group by week_number
    ),
{% endif %}

final as (
    select
        product_id,
        store_id,
        week_number,
        display_location,
        mailer_location,
        is_displayed,
        is_mailed,
        placements
    from promotions
    {% if is_incremental() %}
        where week_number in (select touched_weeks.week_number from touched_weeks)
    {% endif %}
)

select * from final

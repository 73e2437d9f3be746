-- grain: one row per product, store and week
with placements as (
    select * from {{ ref('stg_promotions__placements') }}
),

{% if is_incremental() %}
    touched_weeks as (
        select week_number
        from placements
        where load_id in {{ unbuilt_loads('promotions') }}
        group by week_number
    ),
{% endif %}

-- Filtered before it is grouped: a condition on the outcome would group all 20.9 million rows for one new week.
weeks_to_build as (
    select * from placements
    {% if is_incremental() %}
        where week_number in (select touched_weeks.week_number from touched_weeks)
    {% endif %}
),

-- Where two rows share a key the higher code wins in each column: '0' (nowhere) sorts first, a real place beats none.
-- max() needs one hash pass in little memory; a window or list() over 20.9 million rows does not fit in 4 GB.
grouped as (
    select
        product_id,
        store_id,
        week_number,
        max(display_location) as display_location,
        max(mailer_location) as mailer_location,
        count(*) as placements
    from weeks_to_build
    group by product_id, store_id, week_number
),

final as (
    select
        product_id,
        store_id,
        week_number,
        display_location,
        mailer_location,
        display_location <> '0' as is_displayed,
        mailer_location <> '0' as is_mailed,
        placements
    from grouped
)

select * from final

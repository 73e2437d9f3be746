-- grain: one row per product, store and week
{% set parts = ['true'] if is_incremental() else week_parts('week_number', weeks=4) %}

with
{% if is_incremental() %}
    affected_weeks as (
        select week_number
        from {{ ref('stg_promotions__placements') }}
        where load_id in {{ unbuilt_loads('promotions') }}
        group by week_number
    ),
{% endif %}

-- Where two rows share a key the higher code wins in each column: '0' (nowhere) sorts first, a real place beats none.
-- max() needs one hash pass in little memory; a window or list() over all placements does not fit in 4 GB. Filtered
-- before it is grouped: a condition on the outcome would group all of them for one new week. Each part reads them for
-- itself: an import that is used twice would be copied into memory. A few weeks make a small hash table, and whoever
-- asks for a week later finds its rows together.
grouped as (
    {% for part in parts %}
        select
            product_id,
            store_id,
            week_number,
            max(display_location) as display_location,
            max(mailer_location) as mailer_location,
            count(*) as placements
        from {{ ref('stg_promotions__placements') }}
        where
            {{ part }}
            {% if is_incremental() %}
                and week_number in (select affected_weeks.week_number from affected_weeks)
            {% endif %}
        group by product_id, store_id, week_number
        {{ 'union all' if not loop.last }}
    {% endfor %}
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

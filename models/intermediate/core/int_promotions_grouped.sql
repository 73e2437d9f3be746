-- grain: one row per product, store and week
with placements as (
    select * from {{ ref('stg_promotions__placements') }}
),

-- Where two rows share a key the higher code wins in each column: '0' (nowhere) sorts first, so a real place beats none.
-- max() needs one hash pass in little memory; a window or list() over 20.9 million rows does not fit in 4 GB.
final as (
    select
        product_id,
        store_id,
        week_number,
        max(display_location) as display_location,
        max(mailer_location) as mailer_location,
        max(display_location) <> '0' as is_displayed,
        max(mailer_location) <> '0' as is_mailed,
        count(*) as placements
    from placements
    group by product_id, store_id, week_number
)

select * from final

-- grain: one row per product, store, week, display and mailer location, as last delivered
with placements as (
    select * from {{ source('promotions', 'placements') }}
),

current_deliveries as (
    {{ current_deliveries('promotions', 'placements') }}
),

-- No window here: this view has every placement, and whoever reads it would pay for the sort. That some rows repeat a
-- key is counted where they are grouped anyway.
final as (
    select
        placements.product_id,
        placements.store_id,
        placements.week as week_number,
        placements.display_location,
        placements.mailer_location,
        placements.display_location <> '0' as is_displayed,
        placements.mailer_location <> '0' as is_mailed,
        placements._source_file as source_file,
        placements._dlt_load_id as load_id
    from placements
    left join current_deliveries
        on placements._source_file = current_deliveries.place
    where placements._dlt_load_id >= coalesce(current_deliveries._dlt_load_id, '')
)

select * from final

-- grain: one row per product, store, week, display and mailer location, as last delivered
with placements as (
    select * from {{ source('promotions', 'placements') }}
),

-- Read apart from the import above: used twice, it would be copied into memory before any filter on this view.
latest_deliveries as (
    select
        _source_file,
        max(_dlt_load_id) as _dlt_load_id
    from {{ source('promotions', 'placements') }}
    group by _source_file
),

-- A weekly file that comes again replaces the earlier one whole. No window here: this view has 20.9 million rows, and
-- whoever reads it would pay for the sort. That some rows repeat a key is counted where they are grouped anyway.
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
    inner join latest_deliveries
        on
            placements._source_file = latest_deliveries._source_file
            and placements._dlt_load_id = latest_deliveries._dlt_load_id
)

select * from final

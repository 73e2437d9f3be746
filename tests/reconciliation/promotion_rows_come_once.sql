{#
  The key of stg_promotions__placements (product, store, week, display, mailer): no row comes twice. Only rows whose product,
  store and week repeat can break it, and fct_promotions has counted those: so one join instead of a group of 20.9 million.
  Fails? The same rows came in two files of different names: look at source_file.
#}
with placements as (
    select * from {{ ref('stg_promotions__placements') }}
),

promotions as (
    select * from {{ ref('fct_promotions') }}
),

repeated_keys as (
    select
        product_id,
        store_id,
        week_number
    from promotions
    where placements > 1
),

final as (
    select
        placements.product_id,
        placements.store_id,
        placements.week_number,
        placements.display_location,
        placements.mailer_location,
        count(*) as rows_with_key,
        min(placements.source_file) as a_source_file,
        max(placements.source_file) as another_source_file
    from placements
    inner join repeated_keys
        on
            placements.product_id = repeated_keys.product_id
            and placements.store_id = repeated_keys.store_id
            and placements.week_number = repeated_keys.week_number
    group by
        placements.product_id,
        placements.store_id,
        placements.week_number,
        placements.display_location,
        placements.mailer_location
    having count(*) > 1
)

select * from final

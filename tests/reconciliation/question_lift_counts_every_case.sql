{#
  The marts of lift count every promoted case that has a base, with its items, money and expectation, exactly once; that by week
  counts it in each of its four readings: by both places, by one of them, and by none.
  Fails? A location is not in its seed, or a product not in dim_products: an inner join lost the cases.
#}
with cases as (
    select * from {{ ref('agg_promotion_cases_weekly') }}
),

by_location as (
    select * from {{ ref('agg_promotion_lift') }}
),

by_category as (
    select * from {{ ref('agg_promotion_lift_category') }}
),

by_week as (
    select * from {{ ref('agg_promotion_lift_weekly') }}
),

readings as (
    select ways.reading
    from (values ('both'), ('display'), ('mailer'), ('none')) as ways (reading)
),

judged as (
    select
        1 as cases,
        units,
        expected_units,
        sales_usd,
        loyalty_discount_usd + coupon_match_discount_usd as retailer_discount_usd
    from cases
    where expected_units is not null
),

expected as (
    select
        'by location' as mart,
        *
    from judged
    union all
    select
        'by category' as mart,
        *
    from judged
    union all
    select
        'by week: ' || readings.reading as mart,
        judged.*
    from judged
    cross join readings
),

actual as (
    select
        'by location' as mart,
        cases,
        units,
        expected_units,
        sales_usd,
        retailer_discount_usd
    from by_location
    union all
    select
        'by category' as mart,
        cases,
        units,
        expected_units,
        sales_usd,
        retailer_discount_usd
    from by_category
    union all
    select
        'by week: ' || case
            when display_location <> 'any' and mailer_location <> 'any' then 'both'
            when display_location <> 'any' then 'display'
            when mailer_location <> 'any' then 'mailer'
            else 'none'
        end as mart,
        cases,
        units,
        expected_units,
        sales_usd,
        retailer_discount_usd
    from by_week
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='actual',
        by=['mart'],
        sums=['cases', 'units', 'expected_units', 'sales_usd', 'retailer_discount_usd']
    ) }}
)

select * from final

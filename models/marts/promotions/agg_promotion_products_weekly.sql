-- grain: one row per retailer week, product, and whether it is on display and in the mailer
with promotions as (
    select * from {{ ref('fct_promotions') }}
),

final as (
    select
        week_number,
        product_id,
        is_displayed,
        is_mailed,
        count(*) as placed_cases
    from promotions
    group by week_number, product_id, is_displayed, is_mailed
)

select * from final

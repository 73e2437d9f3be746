{#
  agg_promotion_performance_weekly adds up, in every week, to its sources: every basket line has one promotion status, every
  placement is one case (counted by store, where the mart counts by product), and what was sold while displayed and mailed is
  the figures of agg_promotion_cases_weekly, which question_promotion_cases_add_up compares with an inner join of the two facts.
  Fails? Placements differ: a placement's product is not in dim_products. Lines differ: those in stores and weeks with a plan
  are in agg_promotion_cases_weekly, look whether its test fails too. Only displayed or mailed sales differ: the statuses are
  distinguished wrongly.
#}
with mart as (
    select * from {{ ref('agg_promotion_performance_weekly') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

planned_stores as (
    select * from {{ ref('agg_promotion_stores_weekly') }}
),

cases as (
    select * from {{ ref('agg_promotion_cases_weekly') }}
),

expected as (
    {{ totals_of(by=['week_number'], relations={
        'basket_lines': {
            'lines': 'count(*)',
            'units': 'sum(units)',
            'sales_usd': 'sum(sales_usd)',
            'loyalty_discount_usd': 'sum(loyalty_discount_usd)',
            'coupon_discount_usd': 'sum(coupon_discount_usd)',
            'coupon_match_discount_usd': 'sum(coupon_match_discount_usd)',
        },
        'planned_stores': {'placed_cases': 'sum(placed_cases)'},
        'cases': {
            'displayed_sales_usd': "sum(case when display_location <> '0' then sales_usd else 0 end)",
            'mailed_sales_usd': "sum(case when mailer_location <> '0' then sales_usd else 0 end)",
        },
    }) }}
),

actual as (
    select
        *,
        case when promotion_status in ('displayed and mailed', 'displayed') then sales_usd else 0 end
            as displayed_sales_usd,
        case when promotion_status in ('displayed and mailed', 'mailed') then sales_usd else 0 end
            as mailed_sales_usd
    from mart
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='actual',
        by=['week_number'],
        sums=[
            'lines', 'units', 'sales_usd', 'loyalty_discount_usd', 'coupon_discount_usd', 'coupon_match_discount_usd',
            'placed_cases', 'displayed_sales_usd', 'mailed_sales_usd',
        ]
    ) }}
)

select * from final

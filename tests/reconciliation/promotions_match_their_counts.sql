{#
  The two tables that replace fct_promotions where its 20.9 million rows need not be read count each of its rows once: by
  week, agg_promotion_stores_weekly and agg_promotion_products_weekly add up to it.
  Fails? One of the three is stale or was changed outside of a build; `larder build --all` builds them again.
#}
with promotions as (
    select * from {{ ref('fct_promotions') }}
),

stores as (
    select * from {{ ref('agg_promotion_stores_weekly') }}
),

products as (
    select * from {{ ref('agg_promotion_products_weekly') }}
),

expected as (
    select
        week_number,
        count(*) as placed_cases,
        sum(placements) as placements,
        sum(case when is_displayed then 1 else 0 end) as displayed_cases,
        sum(case when is_mailed then 1 else 0 end) as mailed_cases
    from promotions
    group by week_number
),

actual as (
    {{ totals_of(by=['week_number'], relations={
        'stores': {
            'placed_cases': 'sum(placed_cases)',
            'placements': 'sum(placed_rows)',
            'displayed_cases': 'sum(displayed_cases)',
            'mailed_cases': 'sum(mailed_cases)',
        },
        'products': {
            'cases_of_products': 'sum(placed_cases)',
            'displayed_of_products': 'sum(case when is_displayed then placed_cases else 0 end)',
            'mailed_of_products': 'sum(case when is_mailed then placed_cases else 0 end)',
        },
    }) }}
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='actual',
        by=['week_number'],
        sums=['placed_cases', 'placements', 'displayed_cases', 'mailed_cases'],
        also={
            'cases_of_products': ['sum(placed_cases)', 'sum(cases_of_products)'],
            'displayed_of_products': ['sum(displayed_cases)', 'sum(displayed_of_products)'],
            'mailed_of_products': ['sum(mailed_cases)', 'sum(mailed_of_products)'],
        }
    ) }}
)

select * from final

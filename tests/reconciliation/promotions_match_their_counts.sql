{#
  The two tables that stand for fct_promotions where its 20.9 million rows need not be read hold each of its rows once: by
  week, agg_promotion_stores_weekly and agg_promotion_products_weekly add up to it.
  Fails? One of the three is stale or was changed behind everybody's back; `larder build --all` builds them anew.
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
    select
        week_number,
        placed_cases,
        placed_rows as placements,
        displayed_cases,
        mailed_cases,
        0 as cases_of_products,
        0 as displayed_of_products,
        0 as mailed_of_products
    from stores
    union all
    select
        week_number,
        0 as placed_cases,
        0 as placements,
        0 as displayed_cases,
        0 as mailed_cases,
        placed_cases as cases_of_products,
        case when is_displayed then placed_cases else 0 end as displayed_of_products,
        case when is_mailed then placed_cases else 0 end as mailed_of_products
    from products
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

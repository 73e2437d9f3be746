{#
  agg_basket_anatomy_weekly adds up, in every week, to fct_baskets: every basket has one mission and one band of each kind.
  Fails? Compare fct_basket_anatomy with fct_baskets: the first has lost or doubled a basket, or the mart a band.
#}
with mart as (
    select * from {{ ref('agg_basket_anatomy_weekly') }}
),

fact as (
    select * from {{ ref('fct_baskets') }}
),

final as (
    {{ totals_agree(
        expected='fact',
        actual='mart',
        by=['week_number'],
        sums=['lines', 'units', 'sales_usd'],
        also={'baskets': ['count(*)', 'sum(baskets)']}
    ) }}
)

select * from final

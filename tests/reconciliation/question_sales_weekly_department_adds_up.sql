{#
  agg_sales_weekly_department adds up, in every week, to the basket lines: sales, units and lines.
  No department is lost, none counted twice, and unknown products have theirs.
  Fails? joins_lose_no_line shows whether dim_products misses a product or has one twice.
#}
with mart as (
    select * from {{ ref('agg_sales_weekly_department') }}
),

fact as (
    select * from {{ ref('fct_basket_lines') }}
),

final as (
    {{ totals_agree(
        expected='fact',
        actual='mart',
        by=['week_number'],
        sums=['units', 'sales_usd', 'customer_paid_usd'],
        also={'lines': ['count(*)', 'sum(lines)']}
    ) }}
)

select * from final

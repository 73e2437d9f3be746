{#
  agg_household_value has every household that bought, once, with all of its baskets and money.
  Fails? `larder build --all` builds it again. Still failing: joins_lose_no_line shows whether dim_products misses a product.
#}
with mart as (
    select * from {{ ref('agg_household_value') }}
),

fact as (
    select * from {{ ref('fct_baskets') }}
),

final as (
    {{ totals_agree(
        expected='fact',
        actual='mart',
        by=['household_id'],
        sums=['units', 'sales_usd', 'loyalty_discount_usd', 'coupon_discount_usd', 'coupon_match_discount_usd'],
        also={
            'baskets': ['count(*)', 'sum(baskets)'],
            'last_purchase_date': ['max(business_date)', 'max(last_purchase_date)'],
        }
    ) }}
)

select * from final

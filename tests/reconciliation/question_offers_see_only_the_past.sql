{#
  No offer uses anything of its as-of date or later: counted again from the baskets alone, each offer has exactly the shopping
  trips, and the last of them, that came before it; and each as-of date is the first day of the campaign or the next day to come.
  tests/python/only_the_past.py does the same for every column, on data that end before the as-of date.
  Fails? A score has seen what it should predict, and agg_offer_backtest is worth nothing until it is fixed. Look for a
  missing or wrong comparison with before_date in agg_coupon_support.
#}
with offers as (
    select * from {{ ref('agg_household_offers') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

-- distinct: a basket may contain many products of a coupon
trips as (
    select distinct
        offers.before_date,
        offers.campaign_id,
        offers.household_id,
        offers.coupon_upc,
        basket_lines.basket_id,
        basket_lines.business_date
    from offers
    inner join coupon_products
        on
            offers.campaign_id = coupon_products.campaign_id
            and offers.coupon_upc = coupon_products.coupon_upc
    inner join basket_lines
        on
            offers.household_id = basket_lines.household_id
            and coupon_products.product_id = basket_lines.product_id
    where basket_lines.quantity > 0
),

-- Compared with the day before, not with the as-of date: an independent rule and not a copy of the model's.
past as (
    select
        before_date,
        campaign_id,
        household_id,
        coupon_upc,
        count(*) as baskets,
        max(business_date) as last_date
    from trips
    where {{ dbt.datediff('business_date', 'before_date', 'day') }} >= 1
    group by before_date, campaign_id, household_id, coupon_upc
),

final as (
    select
        offers.before_date,
        offers.campaign_id,
        offers.household_id,
        offers.coupon_upc,
        offers.supporting_baskets,
        past.baskets as baskets_in_the_past,
        offers.last_supporting_date,
        past.last_date as last_date_in_the_past
    from offers
    inner join campaigns
        on offers.campaign_id = campaigns.campaign_id
    left join past
        on
            offers.before_date = past.before_date
            and offers.campaign_id = past.campaign_id
            and offers.household_id = past.household_id
            and offers.coupon_upc = past.coupon_upc
    where
        offers.supporting_baskets <> coalesce(past.baskets, 0)
        or offers.last_supporting_date is distinct from past.last_date
        or (offers.before_date <> campaigns.start_date and not offers.is_latest)
)

select * from final

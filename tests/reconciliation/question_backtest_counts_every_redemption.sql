{#
  agg_offer_backtest has every campaign once, and every redemption and redeemed offer in one of them; the hits are those that
  the offers' own mart has.
  Fails? Redemptions differ: one names a campaign that does not exist. Hits differ: agg_household_offers was built again
  without the backtest; `dbt build -s agg_household_offers+`.
#}
with mart as (
    select * from {{ ref('agg_offer_backtest') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

offers as (
    select * from {{ ref('agg_household_offers') }}
),

-- distinct: a household may redeem a coupon twice
redeemed_offers as (
    select distinct
        campaign_id,
        household_id,
        coupon_upc
    from redemptions
),

hits as (
    select offers.offer_rank
    from offers
    inner join redeemed_offers
        on
            offers.campaign_id = redeemed_offers.campaign_id
            and offers.household_id = redeemed_offers.household_id
            and offers.coupon_upc = redeemed_offers.coupon_upc
),

expected as (
    select
        (select count(*) from campaigns) as campaigns,
        (select count(*) from redemptions) as redemptions,
        (select count(*) from redeemed_offers) as redeemed_offers,
        (select count(*) from hits) as hits_at_10
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='mart',
        sums=['redemptions', 'redeemed_offers', 'hits_at_10'],
        also={'campaigns': ['max(campaigns)', 'count(*)']}
    ) }}
)

select * from final

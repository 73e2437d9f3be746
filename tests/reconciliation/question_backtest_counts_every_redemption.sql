{#
  agg_offer_backtest has every known campaign once for each ranking, and every redemption and redeemed offer in one of them; the hits
  are those that the offers' own mart has.
  Fails? Redemptions differ: one names a campaign that does not exist. Hits differ: agg_household_offers was built again
  without the backtest; `larder build --all`.
#}
with mart as (
    select * from {{ ref('agg_offer_backtest') }}
    where ranking = 'personal'
),

all_rankings as (
    select * from {{ ref('agg_offer_backtest') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
    where not is_unknown
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
    where campaign_id in (select campaigns.campaign_id from campaigns)
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
    inner join campaigns
        on
            offers.campaign_id = campaigns.campaign_id
            and offers.before_date = campaigns.start_date
    inner join redeemed_offers
        on
            offers.campaign_id = redeemed_offers.campaign_id
            and offers.household_id = redeemed_offers.household_id
            and offers.coupon_upc = redeemed_offers.coupon_upc
),

compared as (
    select
        'campaigns' as what,
        (select count(*) from campaigns) as expected,
        (select count(*) from mart) as actual
    union all
    select
        'rankings' as what,
        (select 4 * count(*) from campaigns) as expected,
        (select count(*) from all_rankings) as actual
    union all
    select
        'redemptions' as what,
        (select count(*) from redemptions) as expected,
        (select coalesce(sum(mart.redemptions), 0) from mart) as actual
    union all
    select
        'redeemed offers' as what,
        (select count(*) from redeemed_offers) as expected,
        (select coalesce(sum(mart.redeemed_offers), 0) from mart) as actual
    union all
    select
        'hits' as what,
        (select count(*) from hits) as expected,
        (select coalesce(sum(mart.hits_at_10), 0) from mart) as actual
),

final as (
    select * from compared
    where expected <> actual
)

select * from final

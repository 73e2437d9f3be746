{#
  Every targeted household of a campaign gets ten different coupons of that campaign, or all where it has fewer, ranked from
  1 without a gap, with a score that never rises.
  Fails? Fewer offers: a campaign's coupons are missing from bridge_coupon_products. A rising score: the order of the ranking
  and the score are no longer the same rule.
#}
with offers as (
    select * from {{ ref('agg_household_offers') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
),

campaign_coupons as (
    select
        campaign_id,
        -- distinct: a coupon is valid for many products
        count(distinct coupon_upc) as coupons
    from coupon_products
    group by campaign_id
),

-- distinct: a coupon is valid for many products
valid_coupons as (
    select distinct
        campaign_id,
        coupon_upc
    from coupon_products
),

followed as (
    select
        offers.campaign_id,
        offers.household_id,
        offers.offer_rank,
        offers.coupon_upc,
        valid_coupons.coupon_upc is null as is_not_of_campaign,
        coalesce(
            offers.score > lag(offers.score) over (
                partition by offers.campaign_id, offers.household_id
                order by offers.offer_rank asc
            ),
            false
        ) as is_rising
    from offers
    left join valid_coupons
        on
            offers.campaign_id = valid_coupons.campaign_id
            and offers.coupon_upc = valid_coupons.coupon_upc
),

per_household as (
    select
        campaign_id,
        household_id,
        count(*) as offers,
        -- distinct: the same coupon twice is the fault that is looked for
        count(distinct coupon_upc) as different_coupons,
        max(offer_rank) as last_rank,
        sum(case when is_rising or is_not_of_campaign then 1 else 0 end) as broken_offers
    from followed
    group by campaign_id, household_id
),

expected as (
    select
        targets.campaign_id,
        targets.household_id,
        least(campaign_coupons.coupons, 10) as offers
    from targets
    inner join campaign_coupons
        on targets.campaign_id = campaign_coupons.campaign_id
),

final as (
    select
        coalesce(expected.campaign_id, per_household.campaign_id) as campaign_id,
        coalesce(expected.household_id, per_household.household_id) as household_id,
        expected.offers as expected_offers,
        per_household.offers,
        per_household.different_coupons,
        per_household.last_rank,
        per_household.broken_offers
    from expected
    full outer join per_household
        on
            expected.campaign_id = per_household.campaign_id
            and expected.household_id = per_household.household_id
    where
        expected.offers is distinct from per_household.offers
        or per_household.offers <> per_household.different_coupons
        or per_household.offers <> per_household.last_rank
        or per_household.broken_offers > 0
)

select * from final

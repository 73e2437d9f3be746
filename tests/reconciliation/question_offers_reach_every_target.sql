{#
  On every as-of date each targeted household of a campaign has all coupons of it as candidates, ranked from 1 without a gap,
  with a score that never rises; and the first ten of them, or all where there are fewer, as offers.
  Fails? Fewer candidates: a campaign's coupons are missing from bridge_coupon_products. A rising score: the order of the
  ranking and the score are no longer the same rule. Offers that differ: agg_household_offers was built without its
  candidates; `larder build --all`.
#}
with candidates as (
    select * from {{ ref('agg_offer_candidates') }}
),

offers as (
    select * from {{ ref('agg_household_offers') }}
),

targets as (
    select * from {{ ref('bridge_offer_households') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

followed as (
    select
        candidates.*,
        offers.coupon_upc as offered_coupon_upc,
        coalesce(
            candidates.score > lag(candidates.score) over (
                partition by candidates.before_date, candidates.campaign_id, candidates.household_id
                order by candidates.offer_rank asc
            ),
            false
        ) as is_rising
    from candidates
    left join offers
        on
            candidates.before_date = offers.before_date
            and candidates.campaign_id = offers.campaign_id
            and candidates.household_id = offers.household_id
            and candidates.offer_rank = offers.offer_rank
),

-- One row per coupon and household is the primary key's business: counted rows are different coupons.
per_household as (
    select
        before_date,
        campaign_id,
        household_id,
        count(*) as candidates,
        max(offer_rank) as last_rank,
        sum(
            case
                when
                    is_rising
                    or (offer_rank <= 10 and offered_coupon_upc is distinct from coupon_upc)
                    or (offer_rank > 10 and offered_coupon_upc is not null)
                    then 1
                else 0
            end
        ) as broken_offers
    from followed
    group by before_date, campaign_id, household_id
),

final as (
    select
        coalesce(targets.campaign_id, per_household.campaign_id) as campaign_id,
        coalesce(targets.household_id, per_household.household_id) as household_id,
        campaigns.coupons,
        per_household.candidates,
        per_household.last_rank,
        per_household.broken_offers
    from targets
    inner join campaigns
        on
            targets.campaign_id = campaigns.campaign_id
            and campaigns.coupons > 0
    full outer join per_household
        on
            targets.before_date = per_household.before_date
            and targets.campaign_id = per_household.campaign_id
            and targets.household_id = per_household.household_id
    where
        campaigns.coupons is distinct from per_household.candidates
        or per_household.candidates <> per_household.last_rank
        or per_household.broken_offers > 0
)

select * from final

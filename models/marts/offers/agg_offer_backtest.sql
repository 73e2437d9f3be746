-- grain: one row per campaign and ranking
{% set depths = [1, 3, 5, 10, 16] %}
with campaigns as (
    select * from {{ ref('dim_campaigns') }}
    -- of an unknown campaign nobody knows when it is
    where start_date is not null
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

candidates as (
    select * from {{ ref('agg_offer_candidates') }}
),

campaign_coupons as (
    select * from {{ ref('agg_coupon_popularity') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

offer_weights as (
    select * from {{ ref('offer_weights') }}
),

fitting as (
    select max(fitted_before) as fitted_before
    from offer_weights
),

last_delivery as (
    select max(business_date) as business_date
    from baskets
),

-- grouped: a day has many baskets
trading_days as (
    select business_date
    from baskets
    group by business_date
),

history as (
    select
        campaigns.campaign_id,
        count(*) as history_days
    from campaigns
    inner join trading_days
        on campaigns.start_date > trading_days.business_date
    group by campaigns.campaign_id
),

-- An offer counts once, however often its coupon is redeemed.
redeemed_offers as (
    select
        campaign_id,
        household_id,
        coupon_upc,
        count(*) as redemptions
    from redemptions
    group by campaign_id, household_id, coupon_upc
),

redeeming_households as (
    select
        campaign_id,
        household_id,
        cast(sum(redemptions) as bigint) as redemptions,
        count(*) as redeemed_offers
    from redeemed_offers
    group by campaign_id, household_id
),

redeemed as (
    select
        campaign_id,
        cast(sum(redemptions) as bigint) as redemptions,
        cast(sum(redeemed_offers) as bigint) as redeemed_offers,
        count(*) as redeeming_households
    from redeeming_households
    group by campaign_id
),

-- The whole ranking as of the day before the campaign, for those whose redemptions are known.
ranked as (
    select
        candidates.campaign_id,
        candidates.household_id,
        candidates.coupon_upc,
        candidates.offer_rank,
        row_number() over (
            partition by candidates.campaign_id, candidates.household_id
            order by candidates.supporting_baskets desc, candidates.popularity_rank asc
        ) as own_rank,
        candidates.popularity_rank
    from candidates
    inner join campaigns
        on
            candidates.campaign_id = campaigns.campaign_id
            and candidates.before_date = campaigns.start_date
    inner join redeeming_households
        on
            candidates.campaign_id = redeeming_households.campaign_id
            and candidates.household_id = redeeming_households.household_id
),

{% set rankings = [
    ('personal', 'offer_rank'), ('own purchases', 'own_rank'), ('popular', 'popularity_rank')
] %}
placed as (
    {% for ranking, place in rankings %}
        select
            redeemed_offers.campaign_id,
            redeemed_offers.household_id,
            '{{ ranking }}' as ranking,
            ranked.{{ place }} as place
        from redeemed_offers
        inner join ranked
            on
                redeemed_offers.campaign_id = ranked.campaign_id
                and redeemed_offers.household_id = ranked.household_id
                and redeemed_offers.coupon_upc = ranked.coupon_upc
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

by_household as (
    select
        campaign_id,
        household_id,
        ranking,
        {% for depth in depths %}
            sum(case when place <= {{ depth }} then 1 else 0 end) as hits_at_{{ depth }},
        {% endfor %}
        {{ ratio(1, 'min(place)') }} as reciprocal_rank
    from placed
    group by campaign_id, household_id, ranking
),

ranking_names as (
    {% for ranking, place in rankings %}
        select '{{ ranking }}' as ranking
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

measured as (
    select
        campaigns.campaign_id,
        ranking_names.ranking,
        {% for depth in depths %}
            cast(coalesce(sum(by_household.hits_at_{{ depth }}), 0) as decimal(18, 6)) as hits_at_{{ depth }},
        {% endfor %}
        cast(coalesce(sum(by_household.reciprocal_rank), 0) as decimal(18, 6)) as reciprocal_ranks
    from campaigns
    cross join ranking_names
    left join by_household
        on
            campaigns.campaign_id = by_household.campaign_id
            and ranking_names.ranking = by_household.ranking
    group by campaigns.campaign_id, ranking_names.ranking
),

-- Households that redeem as many offers of a campaign have the same expectation.
redeemed_numbers as (
    select
        campaign_id,
        redeemed_offers,
        count(*) as households
    from redeeming_households
    group by campaign_id, redeemed_offers
),

-- A random order, by what it gives in expectation. Its first hit is at a place if the places before have none.
random_first_hits as (
    select
        redeemed_numbers.campaign_id,
        redeemed_numbers.redeemed_offers,
        redeemed_numbers.households,
        cast(
            sum(
                (
                    {{ chance_of_none(
                        'campaigns.coupons',
                        'redeemed_numbers.redeemed_offers',
                        '(campaign_coupons.popularity_rank - 1)'
                    ) }}
                    - {{ chance_of_none(
                        'campaigns.coupons',
                        'redeemed_numbers.redeemed_offers',
                        'campaign_coupons.popularity_rank'
                    ) }}
                )
                * {{ ratio(1, 'campaign_coupons.popularity_rank') }}
            ) as decimal(18, 6)
        ) as reciprocal_rank
    from redeemed_numbers
    inner join campaigns
        on redeemed_numbers.campaign_id = campaigns.campaign_id
    -- as many rows as the campaign has coupons, numbered
    inner join campaign_coupons
        on
            campaigns.campaign_id = campaign_coupons.campaign_id
            and campaigns.start_date = campaign_coupons.before_date
    group by redeemed_numbers.campaign_id, redeemed_numbers.redeemed_offers, redeemed_numbers.households
),

random_reciprocals as (
    select
        campaign_id,
        sum(households * reciprocal_rank) as reciprocal_ranks
    from random_first_hits
    group by campaign_id
),

expected as (
    select
        campaigns.campaign_id,
        'random' as ranking,
        {% for depth in depths %}
            coalesce(
                {{ ratio(
                    'redeemed.redeemed_offers * least(campaigns.coupons, ' ~ depth ~ ')', 'campaigns.coupons'
                ) }},
                0
            ) as hits_at_{{ depth }},
        {% endfor %}
        cast(coalesce(random_reciprocals.reciprocal_ranks, 0) as decimal(18, 6)) as reciprocal_ranks
    from campaigns
    left join redeemed
        on campaigns.campaign_id = redeemed.campaign_id
    left join random_reciprocals
        on campaigns.campaign_id = random_reciprocals.campaign_id
),

all_rankings as (
    select * from measured
    union all
    select * from expected
),

final as (
    select
        all_rankings.campaign_id,
        all_rankings.ranking,
        campaigns.campaign_type,
        campaigns.start_date,
        campaigns.end_date,
        coalesce(history.history_days, 0) as history_days,
        campaigns.targeted_households,
        campaigns.coupons,
        coalesce(redeemed.redemptions, 0) as redemptions,
        coalesce(redeemed.redeemed_offers, 0) as redeemed_offers,
        coalesce(redeemed.redeeming_households, 0) as redeeming_households,
        {% for depth in depths %}
            all_rankings.hits_at_{{ depth }},
        {% endfor %}
        all_rankings.reciprocal_ranks,
        {% for depth in depths %}
            {{ ratio('all_rankings.hits_at_' ~ depth, 'redeemed.redeemed_offers') }} as recall_at_{{ depth }},
        {% endfor %}
        {{ ratio('all_rankings.reciprocal_ranks', 'redeemed.redeeming_households') }} as mean_reciprocal_rank,
        coalesce(last_delivery.business_date >= campaigns.end_date, false) as is_complete,
        campaigns.start_date >= fitting.fitted_before as is_held_out,
        campaigns.coupons > 10 and coalesce(history.history_days, 0) > 0 as has_choice
    from all_rankings
    inner join campaigns
        on all_rankings.campaign_id = campaigns.campaign_id
    left join history
        on all_rankings.campaign_id = history.campaign_id
    left join redeemed
        on all_rankings.campaign_id = redeemed.campaign_id
    cross join fitting
    cross join last_delivery
)

select * from final

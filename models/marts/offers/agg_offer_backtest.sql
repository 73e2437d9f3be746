-- grain: one row per campaign
with campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

campaign_coupons as (
    select * from {{ ref('agg_coupon_popularity') }}
),

offers as (
    select * from {{ ref('agg_household_offers') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
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

hits as (
    select
        redeemed_offers.campaign_id,
        cast(sum(redeemed_offers.redemptions) as bigint) as redemptions,
        count(*) as redeemed_offers,
        count(offers.coupon_upc) as hits_at_10,
        cast(sum(case when campaign_coupons.popularity_rank <= 10 then 1 else 0 end) as bigint) as popular_hits_at_10
    from redeemed_offers
    left join offers
        on
            redeemed_offers.campaign_id = offers.campaign_id
            and redeemed_offers.household_id = offers.household_id
            and redeemed_offers.coupon_upc = offers.coupon_upc
    left join campaign_coupons
        on
            redeemed_offers.campaign_id = campaign_coupons.campaign_id
            and redeemed_offers.coupon_upc = campaign_coupons.coupon_upc
    group by redeemed_offers.campaign_id
),

counted as (
    select
        campaigns.campaign_id,
        campaigns.campaign_type,
        campaigns.start_date,
        campaigns.end_date,
        coalesce(last_delivery.business_date >= campaigns.end_date, false) as is_complete,
        coalesce(history.history_days, 0) as history_days,
        campaigns.targeted_households,
        campaigns.coupons,
        campaigns.coupons > 10 as has_choice,
        coalesce(hits.redemptions, 0) as redemptions,
        coalesce(hits.redeemed_offers, 0) as redeemed_offers,
        coalesce(hits.hits_at_10, 0) as hits_at_10,
        coalesce(hits.popular_hits_at_10, 0) as popular_hits_at_10
    from campaigns
    cross join last_delivery
    left join history
        on campaigns.campaign_id = history.campaign_id
    left join hits
        on campaigns.campaign_id = hits.campaign_id
),

final as (
    select
        campaign_id,
        campaign_type,
        start_date,
        end_date,
        is_complete,
        history_days,
        targeted_households,
        coupons,
        has_choice,
        redemptions,
        redeemed_offers,
        hits_at_10,
        popular_hits_at_10,
        {{ ratio('hits_at_10', 'redeemed_offers') }} as recall_at_10,
        {{ ratio('popular_hits_at_10', 'redeemed_offers') }} as popular_recall_at_10,
        -- Each of n coupons is as likely as another to be among the first 10.
        {{ ratio('least(coupons, 10)', 'coupons') }} as random_recall_at_10
    from counted
)

select * from final

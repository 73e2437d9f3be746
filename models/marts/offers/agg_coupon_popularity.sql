-- grain: one row per as-of date, campaign and coupon
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

offer_households as (
    select * from {{ ref('bridge_offer_households') }}
    {% if is_incremental() %}
        where before_date in {{ missing_partitions(ref('agg_offer_dates'), 'before_date') }}
    {% endif %}
),

campaign_days as (
    select
        before_date,
        campaign_id,
        is_latest
    from offer_households
    -- grouped: a campaign targets many households
    group by before_date, campaign_id, is_latest
),

-- Much of what is bought is on none of their coupons.
coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
    where campaign_id in (select campaign_days.campaign_id from campaign_days)
),

coupons as (
    select
        campaign_id,
        coupon_upc
    from coupon_products
    -- grouped: a coupon is for many products
    group by campaign_id, coupon_upc
),

-- A household counts once for a coupon, from the day on which it first bought one of its products.
first_purchases as (
    select
        coupon_products.campaign_id,
        coupon_products.coupon_upc,
        basket_lines.household_id,
        min(basket_lines.business_date) as first_purchase_date
    from basket_lines
    inner join coupon_products
        on basket_lines.product_id = coupon_products.product_id
    where basket_lines.line_kind = 'item'
    group by coupon_products.campaign_id, coupon_products.coupon_upc, basket_lines.household_id
),

first_visits as (
    select
        household_id,
        min(business_date) as first_purchase_date
    from basket_lines
    where line_kind = 'item'
    group by household_id
),

known_households as (
    select
        campaign_days.before_date,
        campaign_days.campaign_id,
        count(first_visits.household_id) as known_households
    from campaign_days
    left join first_visits
        on campaign_days.before_date > first_visits.first_purchase_date
    group by campaign_days.before_date, campaign_days.campaign_id
),

popularity as (
    select
        campaign_days.before_date,
        campaign_days.campaign_id,
        campaign_days.is_latest,
        coupons.coupon_upc,
        count(first_purchases.household_id) as buying_households
    from campaign_days
    inner join coupons
        on campaign_days.campaign_id = coupons.campaign_id
    left join first_purchases
        on
            coupons.campaign_id = first_purchases.campaign_id
            and coupons.coupon_upc = first_purchases.coupon_upc
            and campaign_days.before_date > first_purchases.first_purchase_date
    group by campaign_days.before_date, campaign_days.campaign_id, campaign_days.is_latest, coupons.coupon_upc
),

final as (
    select
        popularity.before_date,
        popularity.campaign_id,
        popularity.coupon_upc,
        popularity.buying_households,
        known_households.known_households,
        cast(
            row_number() over (
                partition by popularity.before_date, popularity.campaign_id
                order by popularity.buying_households desc, popularity.coupon_upc asc
            ) as integer
        ) as popularity_rank,
        popularity.is_latest
    from popularity
    inner join known_households
        on
            popularity.before_date = known_households.before_date
            and popularity.campaign_id = known_households.campaign_id
)

select * from final

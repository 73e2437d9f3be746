-- grain: one row per campaign and coupon
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
),

first_purchases as (
    select
        household_id,
        product_id,
        min(business_date) as first_purchase_date
    from basket_lines
    where not has_zero_quantity
    group by household_id, product_id
),

first_visits as (
    select
        household_id,
        min(first_purchase_date) as first_purchase_date
    from first_purchases
    group by household_id
),

known_households as (
    select
        campaigns.campaign_id,
        count(first_visits.household_id) as known_households
    from campaigns
    left join first_visits
        on campaigns.start_date > first_visits.first_purchase_date
    group by campaigns.campaign_id
),

popularity as (
    select
        coupon_products.campaign_id,
        coupon_products.coupon_upc,
        -- distinct: a household may have bought several products of one coupon
        count(distinct first_purchases.household_id) as buying_households
    from coupon_products
    inner join campaigns
        on coupon_products.campaign_id = campaigns.campaign_id
    left join first_purchases
        on
            coupon_products.product_id = first_purchases.product_id
            and campaigns.start_date > first_purchases.first_purchase_date
    group by coupon_products.campaign_id, coupon_products.coupon_upc
),

final as (
    select
        popularity.campaign_id,
        popularity.coupon_upc,
        popularity.buying_households,
        known_households.known_households,
        cast(
            row_number() over (
                partition by popularity.campaign_id
                order by popularity.buying_households desc, popularity.coupon_upc asc
            ) as integer
        ) as popularity_rank
    from popularity
    inner join known_households
        on popularity.campaign_id = known_households.campaign_id
)

select * from final

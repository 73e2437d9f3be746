-- grain: one row per campaign, targeted household and coupon that purchases before the campaign support
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
),

-- Strictly before the first day: what is bought on it may already be the coupon's doing.
purchases as (
    select
        targets.campaign_id,
        targets.household_id,
        coupon_products.coupon_upc,
        basket_lines.basket_id,
        basket_lines.business_date,
        basket_lines.product_id,
        products.product_category
    from targets
    inner join campaigns
        on targets.campaign_id = campaigns.campaign_id
    inner join basket_lines
        on
            targets.household_id = basket_lines.household_id
            and campaigns.start_date > basket_lines.business_date
    inner join coupon_products
        on
            targets.campaign_id = coupon_products.campaign_id
            and basket_lines.product_id = coupon_products.product_id
    inner join products
        on basket_lines.product_id = products.product_id
    -- a line without quantity is a coupon or a correction, not a purchase
    where not basket_lines.has_zero_quantity
),

supported as (
    select
        campaign_id,
        household_id,
        coupon_upc,
        -- distinct: a basket may hold several products of one coupon, a product comes in many baskets
        count(distinct basket_id) as supporting_baskets,
        count(distinct product_id) as supporting_products,
        max(business_date) as last_supporting_date
    from purchases
    group by campaign_id, household_id, coupon_upc
),

categories as (
    select
        campaign_id,
        household_id,
        coupon_upc,
        product_category,
        row_number() over (
            partition by campaign_id, household_id, coupon_upc
            order by count(distinct basket_id) desc, product_category asc
        ) as category_rank
    from purchases
    group by campaign_id, household_id, coupon_upc, product_category
),

final as (
    select
        supported.campaign_id,
        supported.household_id,
        supported.coupon_upc,
        supported.supporting_baskets,
        supported.supporting_products,
        supported.last_supporting_date,
        categories.product_category as supporting_category
    from supported
    inner join categories
        on
            supported.campaign_id = categories.campaign_id
            and supported.household_id = categories.household_id
            and supported.coupon_upc = categories.coupon_upc
            and categories.category_rank = 1
)

select * from final

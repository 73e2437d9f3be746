-- grain: one row per redemption and basket line with coupon money that it can have paid
with redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

-- A redemption names no basket: the lines are those that its household bought on its day, that its coupon covers and
-- that carry coupon money. What was bought is looked up first: a coupon covers up to thousands of products.
paid_lines as (
    select
        redemptions.redemption_id,
        redemptions.campaign_id,
        redemptions.coupon_upc,
        basket_lines.basket_id,
        basket_lines.product_id,
        basket_lines.coupon_discount_usd,
        basket_lines.coupon_match_discount_usd
    from redemptions
    inner join basket_lines
        on
            redemptions.household_id = basket_lines.household_id
            and redemptions.redemption_date = basket_lines.business_date
    where basket_lines.coupon_discount_usd + basket_lines.coupon_match_discount_usd > 0
),

matched as (
    select
        paid_lines.*,
        campaigns.start_date
    from paid_lines
    inner join campaigns
        on paid_lines.campaign_id = campaigns.campaign_id
    inner join coupon_products
        on
            paid_lines.campaign_id = coupon_products.campaign_id
            and paid_lines.coupon_upc = coupon_products.coupon_upc
            and paid_lines.product_id = coupon_products.product_id
),

-- Two coupons may cover one line: its money must not count twice. The campaign that began last takes it.
final as (
    select
        redemption_id,
        campaign_id,
        coupon_upc,
        basket_id,
        product_id,
        coupon_discount_usd,
        coupon_match_discount_usd,
        row_number() over (
            partition by basket_id, product_id
            order by start_date desc, campaign_id desc, redemption_id asc
        ) = 1 as is_attributed
    from matched
)

select * from final

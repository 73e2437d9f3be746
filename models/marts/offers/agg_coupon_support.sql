-- grain: one row per as-of date, campaign, targeted household and coupon that earlier purchases speak for
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

offer_households as (
    select * from {{ ref('bridge_offer_households') }}
    {% if is_incremental() %}
        where before_date in {{ unbuilt_parts(ref('agg_offer_dates'), 'before_date') }}
    {% endif %}
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
),

-- Strictly before the as-of date: what is bought on a campaign's first day may already be the coupon's doing. A line
-- without quantity is a coupon or a correction, not a purchase.
own_purchases as (
    select
        offer_households.before_date,
        offer_households.campaign_id,
        offer_households.household_id,
        coupon_products.coupon_upc,
        basket_lines.basket_id,
        basket_lines.business_date,
        basket_lines.product_id,
        products.product_category
    from offer_households
    inner join basket_lines
        on
            offer_households.household_id = basket_lines.household_id
            and offer_households.before_date > basket_lines.business_date
    inner join coupon_products
        on
            offer_households.campaign_id = coupon_products.campaign_id
            and basket_lines.product_id = coupon_products.product_id
    inner join products
        on basket_lines.product_id = products.product_id
    where not basket_lines.has_zero_quantity
),

own as (
    select
        before_date,
        campaign_id,
        household_id,
        coupon_upc,
        -- distinct: a basket may hold several products of one coupon, a product comes in many baskets
        count(distinct basket_id) as supporting_baskets,
        count(distinct product_id) as supporting_products,
        max(business_date) as last_supporting_date
    from own_purchases
    group by before_date, campaign_id, household_id, coupon_upc
),

categories as (
    select
        before_date,
        campaign_id,
        household_id,
        coupon_upc,
        product_category,
        row_number() over (
            partition by before_date, campaign_id, household_id, coupon_upc
            order by count(distinct basket_id) desc, product_category asc
        ) as category_rank
    from own_purchases
    group by before_date, campaign_id, household_id, coupon_upc, product_category
),

-- Numbers are compared and grouped many times faster than names.
kinds as (
    select
        product_type,
        row_number() over (order by product_type) as kind_number
    from products
    where product_type <> 'Unknown'
    group by product_type
),

numbered_products as (
    select
        products.product_id,
        kinds.kind_number
    from products
    inner join kinds
        on products.product_type = kinds.product_type
),

-- grouped: a coupon has many products of a kind
coupon_kinds as (
    select
        coupon_products.campaign_id,
        coupon_products.coupon_upc,
        numbered_products.kind_number
    from coupon_products
    inner join numbered_products
        on coupon_products.product_id = numbered_products.product_id
    group by coupon_products.campaign_id, coupon_products.coupon_upc, numbered_products.kind_number
),

-- grouped: a basket may hold several products of a kind
basket_kinds as (
    select
        basket_lines.household_id,
        basket_lines.business_date,
        basket_lines.basket_id,
        numbered_products.kind_number
    from basket_lines
    inner join numbered_products
        on basket_lines.product_id = numbered_products.product_id
    where not basket_lines.has_zero_quantity
    group by
        basket_lines.household_id, basket_lines.business_date, basket_lines.basket_id, numbered_products.kind_number
),

bought_kinds as (
    select
        offer_households.before_date,
        offer_households.campaign_id,
        offer_households.household_id,
        basket_kinds.kind_number,
        count(*) as baskets
    from offer_households
    inner join basket_kinds
        on
            offer_households.household_id = basket_kinds.household_id
            and offer_households.before_date > basket_kinds.business_date
    group by
        offer_households.before_date,
        offer_households.campaign_id,
        offer_households.household_id,
        basket_kinds.kind_number
),

kind as (
    select
        bought_kinds.before_date,
        bought_kinds.campaign_id,
        bought_kinds.household_id,
        coupon_kinds.coupon_upc,
        cast(sum(bought_kinds.baskets) as bigint) as kind_purchases
    from bought_kinds
    inner join coupon_kinds
        on
            bought_kinds.campaign_id = coupon_kinds.campaign_id
            and bought_kinds.kind_number = coupon_kinds.kind_number
    group by
        bought_kinds.before_date, bought_kinds.campaign_id, bought_kinds.household_id, coupon_kinds.coupon_upc
),

supported as (
    select
        coalesce(own.before_date, kind.before_date) as before_date,
        coalesce(own.campaign_id, kind.campaign_id) as campaign_id,
        coalesce(own.household_id, kind.household_id) as household_id,
        coalesce(own.coupon_upc, kind.coupon_upc) as coupon_upc,
        coalesce(own.supporting_baskets, 0) as supporting_baskets,
        coalesce(own.supporting_products, 0) as supporting_products,
        own.last_supporting_date,
        coalesce(kind.kind_purchases, 0) as kind_purchases
    from own
    full outer join kind
        on
            own.before_date = kind.before_date
            and own.campaign_id = kind.campaign_id
            and own.household_id = kind.household_id
            and own.coupon_upc = kind.coupon_upc
),

final as (
    select
        supported.before_date,
        supported.campaign_id,
        supported.household_id,
        supported.coupon_upc,
        supported.supporting_baskets,
        supported.supporting_products,
        supported.last_supporting_date,
        categories.product_category as supporting_category,
        supported.kind_purchases,
        offer_households.is_latest
    from supported
    inner join offer_households
        on
            supported.before_date = offer_households.before_date
            and supported.campaign_id = offer_households.campaign_id
            and supported.household_id = offer_households.household_id
    left join categories
        on
            supported.before_date = categories.before_date
            and supported.campaign_id = categories.campaign_id
            and supported.household_id = categories.household_id
            and supported.coupon_upc = categories.coupon_upc
            and categories.category_rank = 1
)

select * from final

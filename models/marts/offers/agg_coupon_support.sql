-- grain: one row per as-of date, campaign, targeted household and coupon that earlier purchases support
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

offer_households as (
    select * from {{ ref('bridge_offer_households') }}
    {% if is_incremental() %}
        where before_date in {{ missing_partitions(ref('agg_offer_dates'), 'before_date') }}
    {% endif %}
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
    where campaign_id in (select offer_households.campaign_id from offer_households)
),

targets as (
    select
        *,
        cast(row_number() over (order by before_date, campaign_id, household_id) as integer) as target_number
    from offer_households
),

-- grouped: several campaigns may target a household on one day
shoppers as (
    select
        before_date,
        household_id
    from offer_households
    group by before_date, household_id
),

categories as (
    {{ numbered_names('products', 'product_category', 'category_number') }}
),

kinds as (
    {{ numbered_names('products', 'product_type', 'kind_number', without='Unknown') }}
),

-- Products of an unknown type are of no kind.
numbered_products as (
    select
        products.product_id,
        categories.category_number,
        kinds.kind_number
    from products
    inner join categories
        on products.product_category = categories.product_category
    left join kinds
        on products.product_type = kinds.product_type
),

offered_products as (
    select
        coupon_products.campaign_id,
        coupon_products.coupon_upc,
        coupon_products.product_id,
        numbered_products.category_number,
        numbered_products.kind_number
    from coupon_products
    inner join numbered_products
        on coupon_products.product_id = numbered_products.product_id
),

-- grouped: a coupon has many products of a kind
coupon_kinds as (
    select
        campaign_id,
        coupon_upc,
        kind_number
    from offered_products
    where kind_number is not null
    group by campaign_id, coupon_upc, kind_number
),

-- Those on a coupon, and those like one that is.
wanted_products as (
    select
        product_id,
        kind_number
    from numbered_products
    where
        product_id in (select offered_products.product_id from offered_products)
        or kind_number in (select coupon_kinds.kind_number from coupon_kinds)
),

-- About half of all lines.
purchases as (
    select
        basket_lines.household_id,
        basket_lines.business_date,
        basket_lines.basket_id,
        basket_lines.product_id,
        wanted_products.kind_number
    from basket_lines
    inner join wanted_products
        on basket_lines.product_id = wanted_products.product_id
    where
        basket_lines.line_kind = 'item'
        and basket_lines.household_id in (select shoppers.household_id from shoppers)
),

-- Strictly before the as-of date: what is bought on a campaign's first day may already be the coupon's doing.
own_purchases as (
    select
        targets.target_number,
        offered_products.coupon_upc,
        offered_products.category_number,
        purchases.basket_id,
        purchases.business_date,
        purchases.product_id
    from purchases
    inner join offered_products
        on purchases.product_id = offered_products.product_id
    inner join targets
        on
            offered_products.campaign_id = targets.campaign_id
            and purchases.household_id = targets.household_id
            and purchases.business_date < targets.before_date
),

own as (
    select
        target_number,
        coupon_upc,
        -- distinct: a basket may contain several products of one coupon, a product comes in many baskets
        count(distinct basket_id) as supporting_baskets,
        count(distinct product_id) as supporting_products,
        max(business_date) as last_supporting_date
    from own_purchases
    group by target_number, coupon_upc
),

own_categories as (
    select
        target_number,
        coupon_upc,
        category_number,
        row_number() over (
            partition by target_number, coupon_upc
            -- category numbers are in the order of the alphabet
            order by count(distinct basket_id) desc, category_number asc
        ) as category_rank
    from own_purchases
    group by target_number, coupon_upc, category_number
),

-- grouped: a basket may contain several products of a kind
basket_kinds as (
    select
        household_id,
        business_date,
        basket_id,
        kind_number
    from purchases
    where kind_number is not null
    group by household_id, business_date, basket_id, kind_number
),

bought_kinds as (
    select
        shoppers.before_date,
        shoppers.household_id,
        basket_kinds.kind_number,
        count(*) as baskets
    from shoppers
    inner join basket_kinds
        on
            shoppers.household_id = basket_kinds.household_id
            and shoppers.before_date > basket_kinds.business_date
    group by shoppers.before_date, shoppers.household_id, basket_kinds.kind_number
),

kind as (
    select
        targets.target_number,
        coupon_kinds.coupon_upc,
        cast(sum(bought_kinds.baskets) as bigint) as kind_purchases
    from bought_kinds
    inner join targets
        on
            bought_kinds.before_date = targets.before_date
            and bought_kinds.household_id = targets.household_id
    inner join coupon_kinds
        on
            targets.campaign_id = coupon_kinds.campaign_id
            and bought_kinds.kind_number = coupon_kinds.kind_number
    group by targets.target_number, coupon_kinds.coupon_upc
),

supported as (
    select
        coalesce(own.target_number, kind.target_number) as target_number,
        coalesce(own.coupon_upc, kind.coupon_upc) as coupon_upc,
        coalesce(own.supporting_baskets, 0) as supporting_baskets,
        coalesce(own.supporting_products, 0) as supporting_products,
        own.last_supporting_date,
        coalesce(kind.kind_purchases, 0) as kind_purchases
    from own
    full outer join kind
        on
            own.target_number = kind.target_number
            and own.coupon_upc = kind.coupon_upc
),

final as (
    select
        targets.before_date,
        targets.campaign_id,
        targets.household_id,
        supported.coupon_upc,
        supported.supporting_baskets,
        supported.supporting_products,
        supported.last_supporting_date,
        categories.product_category as supporting_category,
        supported.kind_purchases,
        targets.is_latest
    from supported
    inner join targets
        on supported.target_number = targets.target_number
    left join own_categories
        on
            supported.target_number = own_categories.target_number
            and supported.coupon_upc = own_categories.coupon_upc
            and own_categories.category_rank = 1
    left join categories
        on own_categories.category_number = categories.category_number
)

select * from final

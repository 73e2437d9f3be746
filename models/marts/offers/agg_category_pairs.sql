-- grain: one row per as-of date and pair of product categories bought together since the as-of date before
with basket_lines as (
    select
        basket_id,
        product_id,
        business_date
    from {{ ref('fct_basket_lines') }}
    where line_kind = 'item'
),

products as (
    select * from {{ ref('dim_products') }}
),

offer_dates as (
    select * from {{ ref('agg_offer_dates') }}
    {% if is_incremental() %}
        where before_date in {{ missing_partitions(ref('agg_offer_dates'), 'before_date') }}
    {% endif %}
),

categories as (
    {{ numbered_names('products', 'product_category', 'category_number', without='Unknown') }}
),

numbered_products as (
    select
        products.product_id,
        categories.category_number
    from products
    inner join categories
        on products.product_category = categories.product_category
),

-- grouped: a day has many lines
days as (
    select business_date
    from basket_lines
    group by business_date
),

-- Each day belongs to the first date that sees it.
seen_days as (
    select
        offer_dates.before_date,
        days.business_date
    from offer_dates
    inner join days
        on
            offer_dates.before_date > days.business_date
            and coalesce(offer_dates.previous_date <= days.business_date, true)
),

-- grouped: a basket may contain many products of a category
basket_categories as (
    select
        seen_days.before_date,
        basket_lines.basket_id,
        numbered_products.category_number
    from basket_lines
    inner join seen_days
        on basket_lines.business_date = seen_days.business_date
    inner join numbered_products
        on basket_lines.product_id = numbered_products.product_id
    group by seen_days.before_date, basket_lines.basket_id, numbered_products.category_number
),

-- A category paired with itself counts all baskets with it.
pairs as (
    select
        one.before_date,
        one.category_number,
        other.category_number as with_number,
        count(*) as baskets
    from basket_categories as one
    inner join basket_categories as other
        on
            one.basket_id = other.basket_id
            and one.category_number <= other.category_number
    group by one.before_date, one.category_number, other.category_number
),

baskets as (
    select
        before_date,
        -- distinct: a basket contains many categories
        count(distinct basket_id) as baskets
    from basket_categories
    group by before_date
),

final as (
    select
        pairs.before_date,
        categories.product_category,
        with_categories.product_category as with_category,
        pairs.baskets as new_pair_baskets,
        baskets.baskets as new_baskets
    from pairs
    inner join baskets
        on pairs.before_date = baskets.before_date
    inner join categories
        on pairs.category_number = categories.category_number
    inner join categories as with_categories
        on pairs.with_number = with_categories.category_number
)

select * from final

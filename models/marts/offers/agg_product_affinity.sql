-- grain: one row per ordered pair of products that go together
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

bought as (
    select
        basket_id,
        product_id
    from basket_lines
    where line_kind = 'item'
),

everything as (
    -- distinct: a basket contains many products
    select count(distinct basket_id) as baskets
    from bought
),

-- Rare products make most of the pairs and none that differ clearly from chance.
products as (
    select
        bought.product_id,
        count(*) as baskets
    from bought
    cross join everything
    group by bought.product_id, everything.baskets
    having count(*) >= 30 and count(*) * 500 >= everything.baskets
),

frequent as (
    select
        bought.basket_id,
        bought.product_id
    from bought
    inner join products
        on bought.product_id = products.product_id
),

pairs as (
    select
        one.product_id,
        other.product_id as with_product_id,
        count(*) as baskets
    from frequent as one
    inner join frequent as other
        on
            one.basket_id = other.basket_id
            and one.product_id < other.product_id
    group by one.product_id, other.product_id
    having count(*) >= 30
),

directed as (
    select
        product_id,
        with_product_id,
        baskets
    from pairs
    union all
    select
        with_product_id as product_id,
        product_id as with_product_id,
        baskets
    from pairs
),

final as (
    select
        directed.product_id,
        directed.with_product_id,
        directed.baskets as pair_baskets,
        products.baskets as product_baskets,
        with_products.baskets as with_product_baskets,
        everything.baskets as all_baskets,
        {{ ratio('directed.baskets', 'everything.baskets') }} as support,
        {{ ratio('directed.baskets', 'products.baskets') }} as confidence,
        {{ lift('directed.baskets', 'products.baskets', 'with_products.baskets', 'everything.baskets') }} as pair_lift
    from directed
    inner join products
        on directed.product_id = products.product_id
    inner join products as with_products
        on directed.with_product_id = with_products.product_id
    cross join everything
)

select * from final

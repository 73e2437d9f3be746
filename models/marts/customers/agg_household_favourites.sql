-- grain: one row per household, kind of favourite and rank, down to the fifth
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

-- A favourite is what is bought on most trips, not what costs most: a basket counts once, however many lines it has.
counted as (
    select
        household_id,
        'store' as favourite_kind,
        cast(store_id as string) as favourite,
        count(*) as baskets,
        sum(sales_usd) as sales_usd
    from baskets
    group by household_id, store_id
    union all
    select
        basket_lines.household_id,
        'category' as favourite_kind,
        products.product_category as favourite,
        count(distinct basket_lines.basket_id) as baskets,
        sum(basket_lines.sales_usd) as sales_usd
    from basket_lines
    inner join products
        on basket_lines.product_id = products.product_id
    where basket_lines.line_kind = 'item' and products.product_category <> 'Unknown'
    group by basket_lines.household_id, products.product_category
    union all
    select
        basket_lines.household_id,
        'brand' as favourite_kind,
        cast(products.manufacturer_id as string) as favourite,
        count(distinct basket_lines.basket_id) as baskets,
        sum(basket_lines.sales_usd) as sales_usd
    from basket_lines
    inner join products
        on basket_lines.product_id = products.product_id
    where
        basket_lines.line_kind = 'item'
        and products.brand_class = 'National'
        and not products.is_collective_manufacturer
        and products.product_category <> 'Unknown'
    group by basket_lines.household_id, products.manufacturer_id
),

ranked as (
    select
        *,
        row_number() over (
            partition by household_id, favourite_kind
            order by baskets desc, sales_usd desc, favourite asc
        ) as favourite_rank
    from counted
),

final as (
    select
        household_id,
        favourite_kind,
        cast(favourite_rank as integer) as favourite_rank,
        favourite,
        baskets,
        cast(sales_usd as decimal(18, 2)) as sales_usd
    from ranked
    where favourite_rank <= 5
)

select * from final

{#
  agg_assortment_products has every product that sold by the item, with every line and every household that bought it once;
  agg_assortment_categories has all of those products.
  Fails? A product has two rows, or dim_products misses one: see joins_lose_no_line.
#}
with by_product as (
    select * from {{ ref('agg_assortment_products') }}
),

by_category as (
    select * from {{ ref('agg_assortment_categories') }}
),

fact as (
    select * from {{ ref('fct_basket_lines') }}
),

bought as (
    select
        product_id,
        household_id,
        count(*) as lines,
        sum(units) as units,
        sum(sales_usd) as sales_usd
    from fact
    where line_kind = 'item'
    group by product_id, household_id
),

expected as (
    select
        1 as products,
        sum(lines) as lines,
        count(*) as households,
        sum(units) as units,
        sum(sales_usd) as sales_usd,
        sum(sales_usd) as category_sales_usd,
        1 as category_products
    from bought
    group by product_id
),

actual as (
    select
        1 as products,
        lines,
        households,
        units,
        sales_usd,
        0 as category_sales_usd,
        0 as category_products
    from by_product
    union all
    select
        0 as products,
        0 as lines,
        0 as households,
        0 as units,
        0 as sales_usd,
        sales_usd as category_sales_usd,
        products as category_products
    from by_category
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='actual',
        sums=['products', 'lines', 'households', 'units', 'sales_usd', 'category_sales_usd', 'category_products']
    ) }}
)

select * from final

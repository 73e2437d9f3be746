{#
  Joined with every dimension at once, the basket lines are as many and as much as before: no line is lost, none doubled.
  Fails? A relationship test names the dimension that misses a member; a primary key test the one that has it twice.
#}
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

households as (
    select * from {{ ref('dim_households') }}
),

stores as (
    select * from {{ ref('dim_stores') }}
),

dates as (
    select * from {{ ref('dim_dates') }}
),

alone as (
    select
        count(*) as lines,
        coalesce(sum(sales_usd), 0) as sales_usd
    from basket_lines
),

joined as (
    select
        count(*) as lines,
        coalesce(sum(basket_lines.sales_usd), 0) as sales_usd
    from basket_lines
    inner join products
        on basket_lines.product_id = products.product_id
    inner join households
        on basket_lines.household_id = households.household_id
    inner join stores
        on basket_lines.store_id = stores.store_id
    inner join dates
        on
            basket_lines.business_date = dates.calendar_date
            and basket_lines.week_number = dates.week_number
),

final as (
    select
        alone.lines,
        joined.lines as joined_lines,
        alone.sales_usd,
        joined.sales_usd as joined_sales_usd
    from alone
    cross join joined
    where alone.lines <> joined.lines or alone.sales_usd <> joined.sales_usd
)

select * from final

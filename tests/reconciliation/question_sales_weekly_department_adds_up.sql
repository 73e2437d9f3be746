{#
  agg_sales_weekly_department adds up, in every week, to the basket lines: sales, units and lines.
  No department is lost, none
  counted twice, and unknown products have theirs.
  Fails? joins_lose_no_line tells whether dim_products misses a product or has one twice.
#}
with mart as (
    select * from {{ ref('agg_sales_weekly_department') }}
),

fact as (
    select * from {{ ref('fct_basket_lines') }}
),

of_fact as (
    select
        week_number,
        count(*) as lines,
        sum(sales_usd) as sales_usd,
        sum(customer_paid_usd) as customer_paid_usd,
        coalesce(sum(units), 0) as units
    from fact
    group by week_number
),

of_mart as (
    select
        week_number,
        sum(lines) as lines,
        sum(sales_usd) as sales_usd,
        sum(customer_paid_usd) as customer_paid_usd,
        sum(units) as units
    from mart
    group by week_number
),

final as (
    select
        coalesce(of_fact.week_number, of_mart.week_number) as week_number,
        of_fact.lines,
        of_mart.lines as lines_of_mart,
        of_fact.sales_usd,
        of_mart.sales_usd as sales_usd_of_mart,
        of_fact.customer_paid_usd,
        of_mart.customer_paid_usd as customer_paid_usd_of_mart,
        of_fact.units,
        of_mart.units as units_of_mart
    from of_fact
    full outer join of_mart
        on of_fact.week_number = of_mart.week_number
    where
        of_fact.lines is distinct from of_mart.lines
        or of_fact.sales_usd is distinct from of_mart.sales_usd
        or of_fact.customer_paid_usd is distinct from of_mart.customer_paid_usd
        or of_fact.units is distinct from of_mart.units
)

select * from final

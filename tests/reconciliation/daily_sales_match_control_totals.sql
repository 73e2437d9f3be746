{#
  Every day up to the last one delivered adds up, to the cent, to what the source's own files say (seed
  control_totals_daily); a day without sales in between must have none there either. Holds on any prefix of the year.
  Fails? A day that is short: look for its file in the landing folder and in the lake's quarantine. A day that is double:
  the same lines came in two files. Compare raw.pos__transactions with staging.stg_pos__transactions for that day.
#}
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

control_totals as (
    select * from {{ ref('control_totals_daily') }}
),

year_bounds as (
    select
        min(business_date) as first_date,
        max(business_date) as last_date
    from control_totals
),

last_delivery as (
    select max(business_date) as business_date
    from basket_lines
),

actual as (
    select
        basket_lines.business_date,
        count(*) as lines,
        -- distinct: a basket has many lines, a household may come twice a day
        count(distinct basket_lines.basket_id) as baskets,
        count(distinct basket_lines.household_id) as households,
        sum(basket_lines.sales_usd) as sales_usd,
        sum(basket_lines.loyalty_discount_usd) as loyalty_discount_usd,
        sum(basket_lines.coupon_discount_usd) as coupon_discount_usd,
        sum(basket_lines.coupon_match_discount_usd) as coupon_match_discount_usd
    from basket_lines
    inner join year_bounds
        on basket_lines.business_date between year_bounds.first_date and year_bounds.last_date
    group by basket_lines.business_date
),

expected as (
    select control_totals.*
    from control_totals
    inner join last_delivery
        on control_totals.business_date <= last_delivery.business_date
),

final as (
    select
        coalesce(actual.business_date, expected.business_date) as business_date,
        actual.lines as actual_lines,
        expected.lines as expected_lines,
        actual.sales_usd as actual_sales_usd,
        expected.sales_usd as expected_sales_usd
    from actual
    full outer join expected
        on actual.business_date = expected.business_date
    where
        actual.lines is distinct from expected.lines
        or actual.baskets is distinct from expected.baskets
        or actual.households is distinct from expected.households
        or actual.sales_usd is distinct from expected.sales_usd
        or actual.loyalty_discount_usd is distinct from expected.loyalty_discount_usd
        or actual.coupon_discount_usd is distinct from expected.coupon_discount_usd
        or actual.coupon_match_discount_usd is distinct from expected.coupon_match_discount_usd
)

select * from final

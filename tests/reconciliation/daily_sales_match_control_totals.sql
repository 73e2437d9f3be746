{#
  Every day up to the last one that files have brought adds up, to the cent, to the totals of the source's own files (seed
  control_totals_daily, moved to where the data have that year); a day without sales in between must have none there either.
  True on any prefix of the year; other years have none. A later day, which only the stream has delivered, is not compared
  before its files are there; nor is a day of which rows are in quarantine or were discarded: observe.ledger counts them.
  Fails? A day that is short: look for its file in the landing folder, and for its rows in `larder quarantine list`. A day that is
  double: the same lines came in two files, or as events that no file has confirmed (is_settled is false). Have the day's file
  delivered again as it should be, then `larder ingest pos` and `larder build`.
#}
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

control_totals as (
    {{ control_totals_daily() }}
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
    where is_settled
),

short_days as (
    {{ days_short_of_rows('pos', 'transactions') }}
),

actual as (
    select basket_lines.*
    from basket_lines
    inner join year_bounds
        on basket_lines.business_date between year_bounds.first_date and year_bounds.last_date
    inner join last_delivery
        on basket_lines.business_date <= last_delivery.business_date
    where basket_lines.business_date not in (select short_days.business_date from short_days)
),

expected as (
    select control_totals.*
    from control_totals
    inner join last_delivery
        on control_totals.business_date <= last_delivery.business_date
    where control_totals.business_date not in (select short_days.business_date from short_days)
),

final as (
    {{ totals_agree(
        expected='expected',
        actual='actual',
        by=['business_date'],
        sums=['loyalty_discount_usd', 'coupon_discount_usd', 'coupon_match_discount_usd'],
        also={
            'received_usd': ['sum(sales_usd)', 'sum(sales_usd + gift_card_usd)'],
            'lines': ['sum(lines)', 'count(*)'],
            'baskets': ['sum(baskets)', 'count(distinct basket_id)'],
            'households': ['sum(households)', 'count(distinct household_id)'],
        }
    ) }}
)

select * from final

{#
  The day derived from the UTC time is the day that the till claims, on every line; the week is the one that the source gives, on
  all but a few: a till that counts its weeks wrongly is a fault of its lines (agg_data_faults), not of the rule. Taken from the UTC
  date instead, 34,729 lines of the year would have the wrong week, a sixth of each Sunday.
  Fails? See macros/time: store_local_date and retail_week_number. One day alone: a till's clock or calendar is wrong; have its file
  delivered again with the right weeks, then `larder ingest pos` and `larder build`.
#}
with transactions as (
    select * from {{ ref('stg_pos__transactions') }}
),

final as (
    select
        business_date,
        count(*) as lines,
        sum(case when has_business_date_mismatch then 1 else 0 end) as lines_of_another_day,
        sum(case when has_week_mismatch then 1 else 0 end) as lines_of_another_week
    from transactions
    group by business_date
    having
        sum(case when has_business_date_mismatch then 1 else 0 end) > 0
        or sum(case when has_week_mismatch then 1 else 0 end) > greatest(10, 0.05 * count(*))
)

select * from final

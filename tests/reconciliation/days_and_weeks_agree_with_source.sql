{#
  The day and the week derived from the UTC time are the day that the till claims and the week that the source gives, on
  every line. Taken from the UTC date instead, 34,729 lines of the year would have the wrong week.
  Fails? See macros/time: store_local_date and retail_week_number. One day alone: a till's clock or time zone is wrong.
#}
with transactions as (
    select * from {{ ref('stg_pos__transactions') }}
),

final as (
    select
        till_business_date,
        business_date,
        source_week_number,
        week_number,
        count(*) as lines
    from transactions
    where has_business_date_mismatch or has_week_mismatch
    group by till_business_date, business_date, source_week_number, week_number
)

select * from final

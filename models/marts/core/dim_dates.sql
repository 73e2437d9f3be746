-- grain: one row per calendar day, over the year of sales and the campaigns around it
with days as (
    select calendar_date from {{ calendar_days('2016-11-01', '2018-03-31') }}
),

numbered as (
    select
        calendar_date,
        {{ retail_week_number('calendar_date') }} as week_number,
        {{ iso_day_of_week('calendar_date') }} as iso_day_of_week,
        cast(extract(month from calendar_date) as integer) as month_number,
        cast(extract(quarter from calendar_date) as integer) as quarter_number,
        cast(extract(year from calendar_date) as integer) as year_number
    from days
),

final as (
    select
        calendar_date,
        week_number,
        iso_day_of_week,
        case iso_day_of_week
            when 1 then 'Monday'
            when 2 then 'Tuesday'
            when 3 then 'Wednesday'
            when 4 then 'Thursday'
            when 5 then 'Friday'
            when 6 then 'Saturday'
            when 7 then 'Sunday'
        end as day_name,
        month_number,
        quarter_number,
        year_number,
        iso_day_of_week >= 6 as is_weekend,
        calendar_date = cast('2017-12-25' as date) as is_closed_day
    from numbered
)

select * from final

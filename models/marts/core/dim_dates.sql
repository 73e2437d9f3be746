-- grain: one row per calendar day, over the years with sales, the months around them, and those with redemptions
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

closed_days as (
    select * from {{ ref('closed_days') }}
),

-- Whole years: a day more of sales changes no row. The months around them are those of the campaigns.
years as (
    select
        cast({{ dbt.date_trunc('year', 'min(business_date)') }} as date) as first_date,
        cast({{ dbt.dateadd('day', -1, dbt.dateadd('year', 1, dbt.date_trunc('year', 'max(business_date)'))) }} as date)
            as last_date
    from basket_lines
),

redeemed as (
    select
        cast({{ dbt.date_trunc('month', 'min(redemption_date)') }} as date) as first_date,
        cast({{ dbt.date_trunc('month', 'max(redemption_date)') }} as date) as last_month
    from redemptions
),

span as (
    select
        least({{ dbt.dateadd('month', -2, 'years.first_date') }}, redeemed.first_date) as first_date,
        greatest(
            {{ dbt.dateadd('month', 3, 'years.last_date') }},
            {{ dbt.dateadd('day', -1, dbt.dateadd('month', 1, 'redeemed.last_month')) }}
        ) as last_date
    from years
    cross join redeemed
    where years.first_date is not null
),

days as (
    select calendar_date
    from {{ calendar_days('first_date', 'last_date', 'span') }}
),

weeks as (
    select
        days.calendar_date,
        {{ week_start('days.calendar_date') }} as week_start_date,
        -- Whole weeks, to the one after the last year's last day: it is planned before it begins.
        days.calendar_date >= years.first_date
        and {{ week_start('days.calendar_date') }} <= {{ dbt.dateadd('day', 1, 'years.last_date') }} as is_numbered
    from days
    cross join years
),

numbered as (
    select
        calendar_date,
        week_start_date,
        case when is_numbered then {{ retail_week_number('calendar_date') }} end as week_number,
        {{ iso_day_of_week('calendar_date') }} as iso_day_of_week,
        cast(extract(month from calendar_date) as integer) as month_number,
        cast(extract(quarter from calendar_date) as integer) as quarter_number,
        cast(extract(year from calendar_date) as integer) as year_number,
        cast(extract(year from {{ fiscal_key_date('week_start_date') }}) as integer) as fiscal_year,
        cast(floor((extract(doy from {{ fiscal_key_date('week_start_date') }}) - 1) / 7) + 1 as integer) as fiscal_week
    from weeks
),

-- Quarters of 13 weeks in periods of 4, 4 and 5; week 53 makes the last of them longer.
divided as (
    select
        *,
        cast(floor((least(fiscal_week, 52) - 1) / 13) + 1 as integer) as fiscal_quarter,
        (least(fiscal_week, 52) - 1) % 13 as week_of_quarter
    from numbered
),

final as (
    select
        divided.calendar_date,
        divided.week_number,
        divided.iso_day_of_week,
        case divided.iso_day_of_week
            when 1 then 'Monday'
            when 2 then 'Tuesday'
            when 3 then 'Wednesday'
            when 4 then 'Thursday'
            when 5 then 'Friday'
            when 6 then 'Saturday'
            when 7 then 'Sunday'
        end as day_name,
        divided.month_number,
        divided.quarter_number,
        divided.year_number,
        divided.week_start_date,
        divided.fiscal_year,
        divided.fiscal_quarter,
        cast(
            3 * (divided.fiscal_quarter - 1)
            + case when divided.week_of_quarter < 4 then 1 when divided.week_of_quarter < 8 then 2 else 3 end as integer
        ) as fiscal_period,
        divided.fiscal_week,
        divided.iso_day_of_week >= 6 as is_weekend,
        closed_days.closed_date is not null as is_closed_day
    from divided
    left join closed_days
        on divided.calendar_date = closed_days.closed_date
)

select * from final

-- grain: one row per household and calendar month in which it could come back: it bought in the month before
with baskets as (
    select * from {{ ref('fct_baskets') }}
),

dates as (
    select * from {{ ref('dim_dates') }}
),

-- distinct: a household buys several times a month
months_with_purchase as (
    select distinct
        household_id,
        cast({{ dbt.date_trunc('month', 'business_date') }} as date) as month_start_date
    from baskets
),

months as (
    select
        cast({{ dbt.date_trunc('month', 'calendar_date') }} as date) as month_start_date,
        max(calendar_date) as month_end_date
    from dates
    group by cast({{ dbt.date_trunc('month', 'calendar_date') }} as date)
),

last_delivery as (
    select max(business_date) as business_date
    from baskets
),

-- A month that has only begun does not show yet who stays away.
whole_months as (
    select
        months.month_start_date,
        cast({{ dbt.dateadd('month', -1, 'months.month_start_date') }} as date) as month_before
    from months
    inner join last_delivery
        on months.month_end_date <= last_delivery.business_date
),

final as (
    select
        before.household_id,
        whole_months.month_start_date,
        same.household_id is not null as is_retained
    from months_with_purchase as before
    inner join whole_months
        on before.month_start_date = whole_months.month_before
    left join months_with_purchase as same
        on
            before.household_id = same.household_id
            and whole_months.month_start_date = same.month_start_date
)

select * from final

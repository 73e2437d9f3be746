-- grain: one row per calendar day and kind of period, of the days with sales
with dates as (
    select * from {{ ref('dim_dates') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

delivered as (
    select
        min(business_date) as first_date,
        max(business_date) as last_date
    from baskets
),

days as (
    select
        dates.*,
        delivered.first_date,
        delivered.last_date
    from dates
    inner join delivered
        on dates.calendar_date between delivered.first_date and delivered.last_date
),

named as (
    select
        calendar_date,
        'week' as period_kind,
        cast(fiscal_year as string) || '-W' || right('0' || cast(fiscal_week as string), 2) as period_name,
        week_start_date as from_date,
        {{ dbt.dateadd('day', 7, 'week_start_date') }} as next_date,
        first_date,
        last_date
    from days
    union all
    select
        calendar_date,
        'month' as period_kind,
        cast(year_number as string) || '-' || right('0' || cast(month_number as string), 2) as period_name,
        {{ dbt.date_trunc('month', 'calendar_date') }} as from_date,
        {{ dbt.dateadd('month', 1, dbt.date_trunc('month', 'calendar_date')) }} as next_date,
        first_date,
        last_date
    from days
    union all
    select
        calendar_date,
        'quarter' as period_kind,
        cast(year_number as string) || '-Q' || cast(quarter_number as string) as period_name,
        {{ dbt.date_trunc('quarter', 'calendar_date') }} as from_date,
        {{ dbt.dateadd('month', 3, dbt.date_trunc('quarter', 'calendar_date')) }} as next_date,
        first_date,
        last_date
    from days
),

ended as (
    select
        *,
        cast({{ dbt.dateadd('day', -1, 'next_date') }} as date) as to_date
    from named
),

final as (
    select
        calendar_date,
        period_kind,
        period_name,
        cast(from_date as date) as from_date,
        to_date,
        from_date >= first_date and to_date <= last_date as is_complete_period
    from ended
)

select * from final

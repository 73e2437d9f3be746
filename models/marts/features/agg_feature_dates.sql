-- grain: one row per as-of date of the features, every four weeks
with dates as (
    select * from {{ ref('dim_dates') }}
),

days as (
    select * from {{ ref('agg_sales_days') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

deliveries as (
    select
        min(business_date) as first_date,
        cast({{ dbt.dateadd('day', 1, 'max(business_date)') }} as date) as next_date
    from days
),

-- Mondays, so that every window is of whole weeks; the first one has four weeks before it. Counted from the calendar's
-- beginning (week 2, 6, 10, …), not from the first delivery: an earlier day that comes late moves none of them.
before_dates as (
    select dates.calendar_date as before_date
    from dates
    inner join deliveries
        on
            dates.calendar_date >= {{ dbt.dateadd('day', 28, 'deliveries.first_date') }}
            and dates.calendar_date <= deliveries.next_date
    where {{ dbt.datediff("cast('" ~ var('first_week_start') ~ "' as date)", 'dates.calendar_date', 'day') }} % 28 = 7
),

sold as (
    select
        before_dates.before_date,
        bit_xor(days.fingerprint) as fingerprint
    from before_dates
    inner join days
        on before_dates.before_date > days.business_date
    group by before_dates.before_date
),

targeted as (
    select
        before_dates.before_date,
        {{ fingerprint_of_rows(['targets.campaign_id', 'targets.household_id']) }} as fingerprint
    from before_dates
    inner join campaigns
        on before_dates.before_date > campaigns.start_date
    inner join targets
        on campaigns.campaign_id = targets.campaign_id
    group by before_dates.before_date
),

redeemed as (
    select
        before_dates.before_date,
        {{ fingerprint_of_rows(['redemptions.redemption_id', 'redemptions.household_id']) }} as fingerprint
    from before_dates
    inner join redemptions
        on before_dates.before_date > redemptions.redemption_date
    group by before_dates.before_date
),

final as (
    select
        before_dates.before_date,
        {{ fingerprint_of_values(['sold.fingerprint', 'targeted.fingerprint', 'redeemed.fingerprint']) }} as fingerprint
    from before_dates
    left join sold
        on before_dates.before_date = sold.before_date
    left join targeted
        on before_dates.before_date = targeted.before_date
    left join redeemed
        on before_dates.before_date = redeemed.before_date
)

select * from final

-- grain: one row per as-of date
with offer_households as (
    select * from {{ ref('bridge_offer_households') }}
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

days as (
    select * from {{ ref('agg_sales_days') }}
),

offer_weights as (
    select * from {{ ref('offer_weights') }}
),

kinds as (
    select
        product_id,
        {{ fingerprint_of_rows(['product_category', 'product_type']) }} as kind
    from products
    group by product_id
),

deliveries as (
    select cast({{ dbt.dateadd('day', 1, 'max(business_date)') }} as date) as next_date
    from days
),

before_dates as (
    select before_date from offer_households
    -- union: a date counts once
    union
    select next_date as before_date from deliveries
),

ordered as (
    select
        before_date,
        lag(before_date) over (order by before_date) as previous_date
    from before_dates
),

lines_before as (
    select
        ordered.before_date,
        bit_xor(days.fingerprint) as fingerprint,
        bit_xor(case when days.business_date < ordered.previous_date then 0 else days.fingerprint end)
            as window_fingerprint
    from ordered
    inner join days
        on ordered.before_date > days.business_date
    group by ordered.before_date
),

targets as (
    select
        before_date,
        {{ fingerprint_of_rows(['campaign_id', 'household_id']) }} as fingerprint
    from offer_households
    group by before_date
),

coupons as (
    select
        coupon_products.campaign_id,
        {{ fingerprint_of_rows(['coupon_products.coupon_upc', 'coupon_products.product_id', 'kinds.kind']) }}
            as fingerprint
    from coupon_products
    left join kinds
        on coupon_products.product_id = kinds.product_id
    group by coupon_products.campaign_id
),

campaign_days as (
    select
        before_date,
        campaign_id
    from offer_households
    -- grouped: a campaign targets many households
    group by before_date, campaign_id
),

offered as (
    select
        campaign_days.before_date,
        {{ fingerprint_of_rows([
            'campaigns.campaign_id', 'campaigns.campaign_type', 'campaigns.end_date',
            'campaigns.targeted_households', 'coupons.fingerprint'
        ]) }} as fingerprint
    from campaign_days
    inner join campaigns
        on campaign_days.campaign_id = campaigns.campaign_id
    left join coupons
        on campaign_days.campaign_id = coupons.campaign_id
    group by campaign_days.before_date
),

weights as (
    select {{ fingerprint_of_rows(['signal', 'weight']) }} as fingerprint
    from offer_weights
),

final as (
    select
        ordered.before_date,
        ordered.previous_date,
        ordered.before_date = deliveries.next_date as is_latest,
        coalesce(lines_before.window_fingerprint, 0) as window_fingerprint,
        {{ fingerprint_of_values([
            'lines_before.fingerprint', 'targets.fingerprint', 'offered.fingerprint', 'weights.fingerprint',
            'ordered.before_date = deliveries.next_date'
        ]) }} as fingerprint
    from ordered
    cross join deliveries
    cross join weights
    left join lines_before
        on ordered.before_date = lines_before.before_date
    left join targets
        on ordered.before_date = targets.before_date
    left join offered
        on ordered.before_date = offered.before_date
)

select * from final

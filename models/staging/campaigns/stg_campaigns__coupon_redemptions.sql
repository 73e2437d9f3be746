-- grain: one row per redemption, as last changed
with latest as (
    {{ latest_records('campaigns', 'coupon_redemptions', key='id') }}
),

final as (
    select
        id as redemption_id,
        household_id,
        coupon_upc,
        campaign_id,
        redemption_date,
        is_deleted,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from latest
)

select * from final

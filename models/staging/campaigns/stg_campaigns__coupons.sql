-- grain: one row per coupon record of the campaign application, as last changed
with latest as (
    {{ latest_records('campaigns', 'coupons', key='id') }}
),

-- The application has some (coupon, product, campaign) twice, under different ids: flagged here, dropped later.
repeats as (
    select
        *,
        row_number() over (
            partition by coupon_upc, product_id, campaign_id
            order by is_deleted, id
        ) as repeat_rank
    from latest
),

final as (
    select
        id as coupon_id,
        coupon_upc,
        product_id,
        campaign_id,
        repeat_rank > 1 as is_repeat,
        is_deleted,
        {{ utc_timestamp('updated_at') }} as updated_at,
        _dlt_load_id as load_id
    from repeats
)

select * from final

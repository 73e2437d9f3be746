-- grain: one row per basket and product, as last delivered
with file_lines as (
    select * from {{ source('pos', 'transactions') }}
),

stream_lines as (
    select * from {{ source('pos_stream', 'transactions') }}
),

current_deliveries as (
    {{ current_deliveries('pos', 'transactions') }}
),

current_files as (
    select file_lines.*
    from file_lines
    left join current_deliveries
        on file_lines._source_file = current_deliveries.place
    where file_lines._dlt_load_id >= coalesce(current_deliveries._dlt_load_id, '')
),

time_zones as (
    select * from {{ ref('store_time_zones') }}
),

{% if is_incremental() %}
    affected_lines as (
        {{ affected_lines() }}
    ),
{% endif %}

{% set columns = [
    'basket_id', 'product_id', 'household_id', 'store_id', 'quantity', 'sales_value', 'retail_disc', 'coupon_disc',
    'coupon_match_disc', 'week', 'transaction_timestamp', 'business_date', '_dlt_load_id',
] %}
both_origins as (
    select
        {{ columns | join(',\n        ') }},
        true as is_in_file,
        _source_file,
        cast(null as timestamp with time zone) as published_at,
        cast(null as varchar) as _stream,
        cast(null as bigint) as _sequence
    from current_files
    union all
    select
        {{ columns | join(',\n        ') }},
        false as is_in_file,
        cast(null as varchar) as _source_file,
        published_at,
        _stream,
        _sequence
    from stream_lines
),

deliveries as (
    select both_origins.*
    from both_origins
    {% if is_incremental() %}
        inner join affected_lines
            on
                both_origins.basket_id = affected_lines.basket_id
                and both_origins.product_id = affected_lines.product_id
    {% endif %}
),

-- The file settles what the till has sent: it takes precedence over events, and of these the last one that the broker
-- took. A line may also be delivered again in a file of another name. `rank` keeps a line that one file has twice:
-- that is no second delivery but a fault, and the primary key test names it.
ranked as (
    select
        *,
        bool_or(not is_in_file) over (partition by basket_id, product_id) as is_in_stream,
        rank() over (
            partition by basket_id, product_id
            order by
                is_in_file desc,
                published_at desc,
                _stream desc,
                _sequence desc,
                _dlt_load_id desc,
                _source_file desc
        ) as delivery_rank
    from deliveries
),

dated as (
    select
        ranked.*,
        {{ store_local_date('ranked.transaction_timestamp', zone='time_zones.time_zone') }} as store_date
    from ranked
    left join time_zones
        on ranked.store_id = time_zones.store_id
    where ranked.delivery_rank = 1
),

final as (
    select
        basket_id,
        product_id,
        household_id,
        store_id,
        {{ utc_timestamp('transaction_timestamp') }} as sold_at,
        store_date as business_date,
        business_date as till_business_date,
        {{ retail_week_number('store_date') }} as week_number,
        week as source_week_number,
        quantity,
        cast(sales_value as decimal(18, 2)) as sales_usd,
        cast(retail_disc as decimal(18, 2)) as loyalty_discount_usd,
        cast(coupon_disc as decimal(18, 2)) as coupon_discount_usd,
        cast(coupon_match_disc as decimal(18, 2)) as coupon_match_discount_usd,
        is_in_file,
        is_in_stream,
        quantity = 0 as has_zero_quantity,
        coupon_disc > sales_value as has_coupon_above_sales,
        coalesce(store_date <> business_date, true) as has_business_date_mismatch,
        coalesce({{ retail_week_number('store_date') }} <> week, true) as has_week_mismatch,
        _source_file as source_file,
        _dlt_load_id as load_id
    from dated
)

select * from final

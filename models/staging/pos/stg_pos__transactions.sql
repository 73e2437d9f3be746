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
    affected_receipts as (
        {{ affected_receipts() }}
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
        cast(null as {{ engine_type('timestamp with time zone') }}) as published_at,
        cast(null as string) as _stream,
        cast(null as bigint) as _sequence
    from current_files
    union all
    select
        {{ columns | join(',\n        ') }},
        false as is_in_file,
        cast(null as string) as _source_file,
        published_at,
        _stream,
        _sequence
    from stream_lines
),

deliveries as (
    select both_origins.*
    from both_origins
    {% if is_incremental() %}
        inner join affected_receipts
            on both_origins.basket_id = affected_receipts.receipt_number
    {% endif %}
),

-- The file settles what the till has sent: it takes precedence over events, and of these the last one that the broker
-- took. A line may also be delivered again in a file of another name. On another day, or in another store, it is a line
-- of another receipt, whose till began its numbers again. `rank` keeps a line that one file has twice: that is no
-- second delivery but a fault, and the primary key test names it.
ranked as (
    select
        *,
        bool_or(not is_in_file) over (partition by basket_id, product_id) as is_in_stream,
        bool_or(is_in_file) over (partition by basket_id, product_id) as has_file,
        rank() over (
            partition by
                basket_id,
                product_id,
                is_in_file,
                case when is_in_file then store_id end,
                case when is_in_file then business_date end
            order by
                published_at desc,
                _stream desc,
                _sequence desc,
                _dlt_load_id desc,
                _source_file desc
        ) as delivery_rank
    from deliveries
),

lines as (
    select *
    from ranked
    where delivery_rank = 1 and (is_in_file or not has_file)
),

dated as (
    select
        lines.*,
        -- A receipt has one household, store and instant: where a number has several, the first receipt keeps it.
        dense_rank() over (
            partition by lines.basket_id
            order by lines.transaction_timestamp, lines.store_id, lines.household_id
        ) > 1 as has_used_number,
        {{ store_local_date('lines.transaction_timestamp', zone='time_zones.time_zone') }} as store_date
    from lines
    left join time_zones
        on lines.store_id = time_zones.store_id
),

final as (
    select
        case
            when has_used_number
                then {{ receipt_key('basket_id', 'household_id', 'store_id', 'transaction_timestamp') }}
            else basket_id
        end as basket_id,
        basket_id as receipt_number,
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
        has_used_number,
        coalesce(store_date <> business_date, true) as has_business_date_mismatch,
        coalesce({{ retail_week_number('store_date') }} <> week, true) as has_week_mismatch,
        _source_file as source_file,
        _dlt_load_id as load_id
    from dated
)

select * from final

-- grain: one row per basket and product, as last delivered
with transactions as (
    select * from {{ source('pos', 'transactions') }}
),

latest_deliveries as (
    select
        _source_file,
        max(_dlt_load_id) as _dlt_load_id
    from transactions
    group by _source_file
),

-- A till file that comes again replaces the earlier one whole, with the lines that it no longer has.
current_files as (
    select transactions.*
    from transactions
    inner join latest_deliveries
        on
            transactions._source_file = latest_deliveries._source_file
            and transactions._dlt_load_id = latest_deliveries._dlt_load_id
),

-- A line may also come again in a file of another name. `rank` keeps a line that one file holds twice: that is no
-- second delivery but a fault, and the primary key test names it.
ranked as (
    select
        *,
        rank() over (
            partition by basket_id, product_id
            order by _dlt_load_id desc, _source_file desc
        ) as delivery_rank
    from current_files
),

dated as (
    select
        *,
        {{ store_local_date('transaction_timestamp') }} as store_date
    from ranked
    where delivery_rank = 1
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
        quantity = 0 as has_zero_quantity,
        coupon_disc > sales_value as has_coupon_above_sales,
        coalesce(store_date <> business_date, true) as has_business_date_mismatch,
        coalesce({{ retail_week_number('store_date') }} <> week, true) as has_week_mismatch,
        _source_file as source_file,
        _dlt_load_id as load_id
    from dated
)

select * from final

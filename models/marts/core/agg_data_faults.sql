-- grain: one row per kind of fault that the delivered data are known to have
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

transactions as (
    select * from {{ ref('stg_pos__transactions') }}
),

promotions as (
    select * from {{ ref('agg_promotion_stores_weekly') }}
),

coupons as (
    select * from {{ ref('stg_campaigns__coupons') }}
    where not is_deleted
),

products as (
    select * from {{ ref('stg_merchandising__products') }}
    where not is_deleted
),

demographics as (
    select * from {{ ref('stg_loyalty__demographics') }}
    where not is_deleted
),

all_products as (
    select * from {{ ref('dim_products') }}
),

stores as (
    select * from {{ ref('dim_stores') }}
),

households as (
    select * from {{ ref('dim_households') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

all_campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

known_faults as (
    select * from {{ ref('data_faults') }}
),

line_counts as (
    select
        count(*) as all_lines,
        sum(case when has_unknown_product then 1 else 0 end) as unknown_product,
        sum(case when has_unknown_product then sales_usd else 0 end) as unknown_product_usd,
        sum(case when has_zero_quantity then 1 else 0 end) as zero_quantity,
        sum(case when has_zero_quantity then sales_usd else 0 end) as zero_quantity_usd,
        sum(case when has_zero_quantity and sales_usd > 0 then 1 else 0 end) as zero_quantity_paid,
        sum(case when has_coupon_above_sales then 1 else 0 end) as coupon_above_sales,
        sum(case when has_coupon_above_sales then coupon_discount_usd - sales_usd else 0 end) as coupon_above_sales_usd,
        sum(case when has_implausible_quantity then 1 else 0 end) as implausible_quantity,
        sum(case when has_implausible_quantity then sales_usd else 0 end) as implausible_quantity_usd,
        sum(case when has_used_number then 1 else 0 end) as used_number,
        sum(case when has_used_number then sales_usd else 0 end) as used_number_usd,
        sum(case when is_volume then 1 else 0 end) as volume,
        sum(case when is_volume then sales_usd else 0 end) as volume_usd
    from basket_lines
),

time_counts as (
    select
        count(*) as all_lines,
        sum(case when has_business_date_mismatch then 1 else 0 end) as wrong_day,
        sum(case when has_business_date_mismatch then sales_usd else 0 end) as wrong_day_usd,
        sum(case when has_week_mismatch then 1 else 0 end) as wrong_week,
        sum(case when has_week_mismatch then sales_usd else 0 end) as wrong_week_usd
    from transactions
),

sold_products as (
    select
        product_id,
        sum(sales_usd) as sales_usd
    from basket_lines
    group by product_id
),

sold_product_counts as (
    select
        count(*) as all_products,
        sum(case when all_products.is_unknown then 1 else 0 end) as unknown,
        sum(case when all_products.is_unknown then sold_products.sales_usd else 0 end) as unknown_usd
    from sold_products
    inner join all_products
        on sold_products.product_id = all_products.product_id
),

promotion_counts as (
    select
        sum(placed_rows) as all_rows,
        sum(placed_rows - placed_cases) as repeated
    from promotions
),

coupon_counts as (
    select
        count(*) as all_rows,
        sum(case when coupons.is_repeat then 1 else 0 end) as repeated,
        -- distinct: a product is on many coupons
        count(distinct coupons.product_id) as all_products,
        count(distinct case when all_products.is_unknown then coupons.product_id end) as unknown_products
    from coupons
    inner join all_products
        on coupons.product_id = all_products.product_id
),

product_counts as (
    select
        count(*) as all_rows,
        sum(case when is_missing_category then 1 else 0 end) as no_category,
        sum(case when is_missing_type then 1 else 0 end) as no_type,
        sum(case when is_missing_package_size then 1 else 0 end) as no_package_size
    from products
),

redemption_counts as (
    select
        count(*) as all_rows,
        sum(case when not is_targeted then 1 else 0 end) as not_targeted,
        sum(case when not is_offered then 1 else 0 end) as not_offered,
        sum(case when not is_in_campaign then 1 else 0 end) as not_in_campaign
    from redemptions
),

campaign_counts as (
    select
        count(*) as all_rows,
        sum(case when is_unknown then 1 else 0 end) as unknown
    from all_campaigns
),

store_counts as (
    select
        count(*) as all_rows,
        sum(case when is_unknown then 1 else 0 end) as unknown,
        sum(case when not has_promotion_data then 1 else 0 end) as no_promotions
    from stores
),

household_counts as (
    select
        count(*) as all_rows,
        sum(case when is_unknown then 1 else 0 end) as unknown,
        sum(case when not has_demographics then 1 else 0 end) as no_demographics
    from households
),

demographic_counts as (
    select
        count(*) as all_rows,
        sum(case when is_missing_home_ownership then 1 else 0 end) as no_home_ownership,
        sum(case when is_missing_marital_status then 1 else 0 end) as no_marital_status
    from demographics
),

{% set counted = [
    ('lines_with_unknown_product', 'unknown_product', 'all_lines', 'unknown_product_usd', 'line_counts'),
    ('lines_with_zero_quantity', 'zero_quantity', 'all_lines', 'zero_quantity_usd', 'line_counts'),
    ('lines_with_zero_quantity_and_money', 'zero_quantity_paid', 'all_lines', 'zero_quantity_usd', 'line_counts'),
    ('lines_with_coupon_above_sales', 'coupon_above_sales', 'all_lines', 'coupon_above_sales_usd', 'line_counts'),
    ('lines_with_implausible_quantity', 'implausible_quantity', 'all_lines', 'implausible_quantity_usd', 'line_counts'),
    ('lines_with_used_number', 'used_number', 'all_lines', 'used_number_usd', 'line_counts'),
    ('lines_sold_by_volume', 'volume', 'all_lines', 'volume_usd', 'line_counts'),
    ('lines_with_business_date_mismatch', 'wrong_day', 'all_lines', 'wrong_day_usd', 'time_counts'),
    ('lines_with_week_mismatch', 'wrong_week', 'all_lines', 'wrong_week_usd', 'time_counts'),
    ('products_sold_but_unknown', 'unknown', 'all_products', 'unknown_usd', 'sold_product_counts'),
    ('stores_unknown', 'unknown', 'all_rows', 'null', 'store_counts'),
    ('households_unknown', 'unknown', 'all_rows', 'null', 'household_counts'),
    ('campaigns_unknown', 'unknown', 'all_rows', 'null', 'campaign_counts'),
    ('redemptions_not_targeted', 'not_targeted', 'all_rows', 'null', 'redemption_counts'),
    ('redemptions_not_offered', 'not_offered', 'all_rows', 'null', 'redemption_counts'),
    ('redemptions_out_of_campaign', 'not_in_campaign', 'all_rows', 'null', 'redemption_counts'),
    ('promotion_rows_repeated', 'repeated', 'all_rows', 'null', 'promotion_counts'),
    ('coupon_rows_repeated', 'repeated', 'all_rows', 'null', 'coupon_counts'),
    ('coupon_products_unknown', 'unknown_products', 'all_products', 'null', 'coupon_counts'),
    ('products_without_category', 'no_category', 'all_rows', 'null', 'product_counts'),
    ('products_without_type', 'no_type', 'all_rows', 'null', 'product_counts'),
    ('products_without_package_size', 'no_package_size', 'all_rows', 'null', 'product_counts'),
    ('stores_without_promotions', 'no_promotions', 'all_rows', 'null', 'store_counts'),
    ('households_without_demographics', 'no_demographics', 'all_rows', 'null', 'household_counts'),
    ('demographics_without_home_ownership', 'no_home_ownership', 'all_rows', 'null', 'demographic_counts'),
    ('demographics_without_marital_status', 'no_marital_status', 'all_rows', 'null', 'demographic_counts'),
] %}
counted as (
    {% for fault_name, fault_rows, of_rows, affected_usd, counts in counted %}
        select
            '{{ fault_name }}' as fault_name,
            {{ fault_rows }} as fault_rows,
            {{ of_rows }} as of_rows,
            {{ affected_usd }} as affected_usd
        from {{ counts }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

final as (
    select
        counted.fault_name,
        known_faults.source_table,
        cast(coalesce(counted.fault_rows, 0) as bigint) as fault_rows,
        cast(coalesce(counted.of_rows, 0) as bigint) as of_rows,
        cast(counted.affected_usd as decimal(18, 2)) as affected_usd,
        known_faults.meaning,
        known_faults.treatment
    from counted
    left join known_faults
        on counted.fault_name = known_faults.fault_name
)

select * from final

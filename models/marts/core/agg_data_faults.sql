-- grain: one row per kind of fault that the delivered data are known to have
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

transactions as (
    select * from {{ ref('stg_pos__transactions') }}
),

promotion_weeks as (
    select * from {{ ref('agg_promotion_stores_weekly') }}
),

promoted_weeks as (
    select * from {{ ref('agg_promotion_products_weekly') }}
),

coupon_rows as (
    select * from {{ ref('stg_campaigns__coupons') }}
    where not is_deleted
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
),

master as (
    select * from {{ ref('stg_merchandising__products') }}
    where not is_deleted
),

classified as (
    select * from {{ ref('int_products_classified') }}
),

all_products as (
    select * from {{ ref('dim_products') }}
),

demographics as (
    select * from {{ ref('stg_loyalty__demographics') }}
    where not is_deleted
),

stores as (
    select * from {{ ref('dim_stores') }}
),

households as (
    select * from {{ ref('dim_households') }}
),

redeemed_coupons as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
),

known_faults as (
    select * from {{ ref('data_faults') }}
),

-- One product, store and day at two prices: what is sold by weight counts each weighing as an item.
day_prices as (
    select
        product_id,
        max(regular_price_usd) - min(regular_price_usd) > 0.01 as differs
    from basket_lines
    where units > 0 and sales_usd > 0
    group by product_id, store_id, business_date
    having count(*) > 1
),

weighed_products as (
    select product_id
    from day_prices
    group by product_id
    having count(*) >= 3 and 2 * sum(case when differs then 1 else 0 end) >= count(*)
),

volume_departments as (
    select
        classified.department,
        row_number() over (order by count(*) desc, classified.department asc) as place
    from basket_lines
    inner join classified
        on basket_lines.product_id = classified.product_id
    where basket_lines.is_volume
    group by classified.department
),

lines as (
    select
        basket_lines.*,
        classified.sold_as,
        weighed_products.product_id is not null as is_weighed,
        coalesce(volume_departments.place > 1, false) as is_misplaced_volume
    from basket_lines
    left join classified
        on basket_lines.product_id = classified.product_id
    left join weighed_products
        on basket_lines.product_id = weighed_products.product_id
    left join volume_departments
        on
            classified.department = volume_departments.department
            and basket_lines.is_volume
),

contents as (
    select
        basket_id,
        {{ fingerprint_of_rows(['product_id', 'quantity', 'sales_usd', 'gift_card_usd']) }} as fingerprint
    from basket_lines
    group by basket_id
),

receipts as (
    select
        baskets.*,
        lag(baskets.store_id) over (
            partition by baskets.household_id
            order by baskets.sold_at, baskets.basket_id
        ) as store_before,
        lag(baskets.sold_at) over (
            partition by baskets.household_id
            order by baskets.sold_at, baskets.basket_id
        ) as sold_before,
        lag(baskets.sold_at) over (
            partition by baskets.household_id, baskets.store_id, contents.fingerprint
            order by baskets.sold_at, baskets.basket_id
        ) as like_it_before
    from baskets
    inner join contents
        on baskets.basket_id = contents.basket_id
),

sold_products as (
    select
        basket_lines.product_id,
        all_products.is_unknown,
        sum(basket_lines.sales_usd) as sales_usd
    from basket_lines
    inner join all_products
        on basket_lines.product_id = all_products.product_id
    group by basket_lines.product_id, all_products.is_unknown
),

-- How many products of a type there are, and how many of them in the category and department of this one.
products as (
    select
        master.*,
        classified.is_collective_manufacturer,
        count(*) over (partition by master.product_type) as of_type,
        count(*) over (partition by master.product_type, master.product_category) as in_category,
        count(*) over (partition by master.product_type, master.department) as in_department
    from master
    inner join classified
        on master.product_id = classified.product_id
),

categories as (
    select
        product_category,
        -- distinct: a department has many products of a category
        count(distinct department) as departments
    from master
    where not is_missing_category
    group by product_category
),

promoted_products as (
    select
        promoted_weeks.product_id,
        sold_products.product_id is null as is_never_sold
    from promoted_weeks
    left join sold_products
        on promoted_weeks.product_id = sold_products.product_id
    -- grouped: a product is promoted in many weeks
    group by promoted_weeks.product_id, sold_products.product_id
),

promotion_rows as (
    select
        sum(placed_rows) as all_rows,
        sum(placed_rows - placed_cases) as repeated_rows
    from promotion_weeks
),

offered_products as (
    select
        coupon_products.product_id,
        all_products.is_unknown,
        sold_products.product_id is null as is_never_sold
    from coupon_products
    inner join all_products
        on coupon_products.product_id = all_products.product_id
    left join sold_products
        on coupon_products.product_id = sold_products.product_id
    -- grouped: a product is on many coupons
    group by coupon_products.product_id, all_products.is_unknown, sold_products.product_id
),

campaign_coupons as (
    select
        coupon_upc,
        {{ fingerprint_of_rows(['product_id']) }} as fingerprint
    from coupon_products
    group by coupon_upc, campaign_id
),

coupon_codes as (
    select
        coupon_upc,
        min(fingerprint) <> max(fingerprint) as has_several_lists
    from campaign_coupons
    group by coupon_upc
),

-- A redemption names no basket: what counts is what its household bought on its day.
redemption_days as (
    select
        redeemed_coupons.redemption_id,
        max(case when coupon_products.product_id is not null then 1 else 0 end) as has_product,
        max(case when basket_lines.coupon_discount_usd > 0 then 1 else 0 end) as has_money
    from redeemed_coupons
    left join basket_lines
        on
            redeemed_coupons.household_id = basket_lines.household_id
            and redeemed_coupons.redemption_date = basket_lines.business_date
    left join coupon_products
        on
            redeemed_coupons.campaign_id = coupon_products.campaign_id
            and redeemed_coupons.coupon_upc = coupon_products.coupon_upc
            and basket_lines.product_id = coupon_products.product_id
    group by redeemed_coupons.redemption_id
),

redemptions as (
    select
        redeemed_coupons.*,
        redeemed_coupons.redemption_date
        <= (select max(basket_lines.business_date) from basket_lines) as is_delivered_day,
        redemption_days.has_product,
        redemption_days.has_money,
        row_number() over (
            partition by
                redeemed_coupons.household_id, redeemed_coupons.coupon_upc, redeemed_coupons.redemption_date
            order by redeemed_coupons.redemption_id
        ) as time_counted
    from redeemed_coupons
    inner join redemption_days
        on redeemed_coupons.redemption_id = redemption_days.redemption_id
),

-- Of each relation: fault, which rows have it, and the money on them.
{% set faults = {
    'lines': [
        ('lines_with_unknown_product', 'has_unknown_product', 'sales_usd'),
        ('lines_with_zero_quantity', 'has_zero_quantity', 'sales_usd'),
        ('lines_with_zero_quantity_and_money', 'has_zero_quantity and sales_usd > 0', 'sales_usd'),
        ('lines_with_coupon_above_sales', 'has_coupon_above_sales', 'coupon_discount_usd - sales_usd'),
        ('lines_with_coupon_above_shelf_price',
            'quantity > 0 and coupon_discount_usd > sales_usd + loyalty_discount_usd + coupon_match_discount_usd',
            'coupon_discount_usd'),
        ('lines_with_coupon_and_unknown_product', 'has_unknown_product and coupon_discount_usd > 0', 'coupon_discount_usd'),
        ('lines_with_match_above_coupon', 'coupon_match_discount_usd > coupon_discount_usd', 'coupon_match_discount_usd'),
        ('lines_with_implausible_quantity', 'has_implausible_quantity and not is_volume', 'sales_usd'),
        ('lines_with_used_number', 'has_used_number', 'sales_usd'),
        ('lines_given_away',
            "line_kind in ('item', 'volume') and sales_usd = 0 and coupon_discount_usd = 0 and loyalty_discount_usd > 0",
            'loyalty_discount_usd'),
        ('lines_without_any_value',
            "line_kind in ('item', 'volume') and sales_usd = 0 and coupon_discount_usd = 0 and loyalty_discount_usd = 0",
            none),
        ('lines_sold_by_volume', 'is_volume', 'sales_usd'),
        ('lines_sold_by_volume_without_volume', 'has_implausible_quantity and is_volume', 'sales_usd'),
        ('lines_sold_by_volume_in_other_departments', 'is_misplaced_volume', 'sales_usd'),
        ('lines_sold_by_weight', 'is_weighed', 'sales_usd'),
        ('lines_of_gift_cards', "line_kind = 'gift_card'", 'gift_card_usd'),
        ('lines_of_open_keys', "sold_as = 'open_key'", 'sales_usd'),
        ('lines_passed_through', "sold_as = 'pass_through'", 'sales_usd'),
        ('lines_of_coupons_sold_as_products', "sold_as = 'coupon'", 'sales_usd'),
    ],
    'transactions': [
        ('lines_with_business_date_mismatch', 'has_business_date_mismatch', 'sales_usd'),
        ('lines_with_week_mismatch', 'has_week_mismatch', 'sales_usd'),
    ],
    'receipts': [
        ('receipts_repeated_within_minutes', dbt.dateadd('minute', 5, 'like_it_before') ~ ' >= sold_at', 'sales_usd'),
        ('receipts_in_two_stores_within_minutes',
            'store_id <> store_before and ' ~ dbt.dateadd('minute', 5, 'sold_before') ~ ' >= sold_at', 'sales_usd'),
    ],
    'sold_products': [('products_sold_but_unknown', 'is_unknown', 'sales_usd')],
    'products': [
        ('products_without_category', 'is_missing_category', none),
        ('products_without_type', 'is_missing_type', none),
        ('products_without_package_size', 'is_missing_package_size', none),
        ('products_with_item_number_as_size',
            "try_cast(split_part(package_size, ' ', 1) as decimal(18, 4)) >= 10000", none),
        ('products_of_collective_manufacturers', 'is_collective_manufacturer', none),
        ('products_in_rare_category',
            'not is_missing_type and not is_missing_category and of_type >= 20 and 20 * in_category < of_type', none),
        ('products_in_rare_department', 'not is_missing_type and of_type >= 20 and 20 * in_department < of_type', none),
    ],
    'categories': [('categories_in_several_departments', 'departments > 1', none)],
    'promoted_products': [('products_promoted_and_never_sold', 'is_never_sold', none)],
    'stores': [
        ('stores_unknown', 'is_unknown', none),
        ('stores_without_promotions', 'not has_promotion_data', none),
    ],
    'households': [
        ('households_unknown', 'is_unknown', none),
        ('households_without_demographics', 'not has_demographics', none),
    ],
    'demographics': [
        ('demographics_without_home_ownership', 'is_missing_home_ownership', none),
        ('demographics_without_marital_status', 'is_missing_marital_status', none),
        ('demographics_of_another_size',
            "household_composition = '1 Adult Kids'"
            ~ ' and try_cast(household_size as integer) <> 1 + try_cast(kids_count as integer)', none),
        ('demographics_married_with_one_adult',
            "household_composition like '1 Adult%' and marital_status = 'Married'", none),
    ],
    'campaigns': [('campaigns_unknown', 'is_unknown', none)],
    'coupon_rows': [('coupon_rows_repeated', 'is_repeat', none)],
    'coupon_codes': [('coupons_with_several_product_lists', 'has_several_lists', none)],
    'offered_products': [
        ('coupon_products_unknown', 'is_unknown', none),
        ('coupon_products_never_sold', 'is_never_sold', none),
    ],
    'redemptions': [
        ('redemptions_not_targeted', 'not is_targeted', none),
        ('redemptions_not_offered', 'not is_offered', none),
        ('redemptions_out_of_campaign', 'not is_in_campaign', none),
        ('redemptions_without_product', 'is_delivered_day and has_product = 0', none),
        ('redemptions_without_coupon_money', 'is_delivered_day and has_money = 0', none),
        ('redemptions_counted_twice', 'time_counted > 1', none),
    ],
} %}

-- One pass over each of them.
{% for relation, of_relation in faults.items() %}
    {{ relation }}_counted as (
        select
            {% for fault_name, condition, money in of_relation %}
                sum(case when {{ condition }} then 1 else 0 end) as {{ fault_name }},
                sum(case when {{ condition }} then {{ money or 0 }} else 0 end) as {{ fault_name }}_usd,
            {% endfor %}
            count(*) as of_rows
        from {{ relation }}
    ),
{% endfor %}

counted as (
    select
        'promotion_rows_repeated' as fault_name,
        repeated_rows as fault_rows,
        all_rows as of_rows,
        null as affected_usd
    from promotion_rows
    {% for relation, of_relation in faults.items() %}
        {% for fault_name, condition, money in of_relation %}
            union all
            select
                '{{ fault_name }}' as fault_name,
                {{ fault_name }} as fault_rows,
                of_rows,
                {{ 'coalesce(' ~ fault_name ~ '_usd, 0)' if money else 'null' }} as affected_usd
            from {{ relation }}_counted
        {% endfor %}
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

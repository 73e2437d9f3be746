-- grain: one row per household and as-of date, every four weeks
with before_dates as (
    select before_date from {{ ref('agg_feature_dates') }}
    {% if is_incremental() %}
        where before_date in {{ missing_partitions(ref('agg_feature_dates'), 'before_date') }}
    {% endif %}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
    {% if is_incremental() %}
        -- no date to build, no line to read
        where business_date < (select max(before_dates.before_date) from before_dates)
    {% endif %}
),

products as (
    select * from {{ ref('dim_products') }}
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

shopping_days as (
    select
        household_id,
        business_date,
        count(*) as baskets,
        sum(sales_usd) as sales_usd,
        sum(loyalty_discount_usd) as loyalty_discount_usd
    from baskets
    group by household_id, business_date
),

visits as (
    select
        *,
        {{ dbt.datediff(
            'lag(business_date) over (partition by household_id order by business_date)', 'business_date', 'day'
        ) }} as days_since_previous
    from shopping_days
),

seen as (
    select
        before_dates.before_date,
        visits.*,
        {{ dbt.datediff('visits.business_date', 'before_dates.before_date', 'day') }} as days_ago
    from before_dates
    inner join visits
        on before_dates.before_date > visits.business_date
),

rhythm as (
    select
        seen.before_date,
        seen.household_id,
        cast(max(seen.days_ago) as integer) as days_since_first,
        cast(min(seen.days_ago) as integer) as days_since_last_basket,
        cast(count(*) as integer) as shopping_days_before,
        cast(sum(case when seen.days_ago <= 28 then 1 else 0 end) as integer) as shopping_days_28,
        cast(sum(case when seen.days_ago <= 56 then 1 else 0 end) as integer) as shopping_days_56,
        cast(sum(case when seen.days_ago <= 84 then 1 else 0 end) as integer) as shopping_days_84,
        cast(sum(case when seen.days_ago <= 28 then seen.sales_usd else 0 end) as decimal(18, 2)) as sales_28_usd,
        cast(sum(case when seen.days_ago <= 84 then seen.sales_usd else 0 end) as decimal(18, 2)) as sales_84_usd,
        cast(
            sum(case when seen.days_ago <= 84 then seen.loyalty_discount_usd else 0 end) as decimal(18, 2)
        ) as loyalty_discount_84_usd,
        cast(median(seen.days_since_previous) as decimal(9, 1)) as typical_visit_interval_days,
        cast(max(seen.days_since_previous) as integer) as longest_visit_interval_days
    from seen
    group by seen.before_date, seen.household_id
),

-- Numbers are compared and grouped many times faster than names.
categories as (
    {{ numbered_names('products', 'product_category', 'category_number', without='Unknown') }}
),

-- grouped: a day has many lines of a category
category_days as (
    select
        basket_lines.household_id,
        basket_lines.business_date,
        basket_lines.store_id,
        case when basket_lines.line_kind = 'item' then categories.category_number end as category_number,
        sum(case when products.brand_class = 'Private label' then basket_lines.sales_usd else 0 end)
            as private_label_sales_usd
    from basket_lines
    inner join products
        on basket_lines.product_id = products.product_id
    left join categories
        on products.product_category = categories.product_category
    group by
        basket_lines.household_id,
        basket_lines.business_date,
        basket_lines.store_id,
        case when basket_lines.line_kind = 'item' then categories.category_number end
),

assortment as (
    select
        before_dates.before_date,
        category_days.household_id,
        -- distinct: the same category and store come on many days
        cast(count(distinct category_days.category_number) as integer) as categories_84,
        cast(count(distinct category_days.store_id) as integer) as stores_84,
        cast(sum(category_days.private_label_sales_usd) as decimal(18, 2)) as private_label_sales_84_usd
    from before_dates
    inner join category_days
        on
            before_dates.before_date > category_days.business_date
            and {{ dbt.datediff('category_days.business_date', 'before_dates.before_date', 'day') }} <= 84
    group by before_dates.before_date, category_days.household_id
),

targeted as (
    select
        before_dates.before_date,
        targets.household_id,
        cast(count(*) as integer) as campaigns
    from before_dates
    inner join campaigns
        on before_dates.before_date > campaigns.start_date
    inner join targets
        on campaigns.campaign_id = targets.campaign_id
    group by before_dates.before_date, targets.household_id
),

redeemed as (
    select
        before_dates.before_date,
        redemptions.household_id,
        cast(count(*) as integer) as redemptions
    from before_dates
    inner join redemptions
        on before_dates.before_date > redemptions.redemption_date
    group by before_dates.before_date, redemptions.household_id
),

final as (
    select
        rhythm.household_id,
        rhythm.before_date,
        rhythm.days_since_first,
        rhythm.days_since_last_basket,
        rhythm.shopping_days_before,
        rhythm.shopping_days_28,
        rhythm.shopping_days_56,
        rhythm.shopping_days_84,
        rhythm.typical_visit_interval_days,
        rhythm.longest_visit_interval_days,
        rhythm.sales_28_usd,
        rhythm.sales_84_usd,
        rhythm.loyalty_discount_84_usd,
        coalesce(assortment.private_label_sales_84_usd, cast(0 as decimal(18, 2))) as private_label_sales_84_usd,
        coalesce(assortment.categories_84, 0) as categories_84,
        coalesce(assortment.stores_84, 0) as stores_84,
        coalesce(targeted.campaigns, 0) as campaigns_before,
        coalesce(redeemed.redemptions, 0) as redemptions_before
    from rhythm
    left join assortment
        on
            rhythm.before_date = assortment.before_date
            and rhythm.household_id = assortment.household_id
    left join targeted
        on
            rhythm.before_date = targeted.before_date
            and rhythm.household_id = targeted.household_id
    left join redeemed
        on
            rhythm.before_date = redeemed.before_date
            and rhythm.household_id = redeemed.household_id
)

select * from final

-- grain: one row per as-of date, household and product category that it buys again and again
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

offer_households as (
    select * from {{ ref('bridge_offer_households') }}
),

offer_dates as (
    select * from {{ ref('agg_offer_dates') }}
    {% if is_incremental() %}
        where before_date in {{ missing_partitions(ref('agg_offer_dates'), 'before_date') }}
    {% endif %}
),

categories as (
    {{ numbered_names('products', 'product_category', 'category_number', without='Unknown') }}
),

numbered_products as (
    select
        products.product_id,
        categories.category_number
    from products
    inner join categories
        on products.product_category = categories.product_category
),

-- grouped: a day may have many lines of a category, and is one purchase
purchase_days as (
    select
        basket_lines.household_id,
        numbered_products.category_number,
        basket_lines.business_date
    from basket_lines
    inner join numbered_products
        on basket_lines.product_id = numbered_products.product_id
    where basket_lines.line_kind = 'item'
    group by basket_lines.household_id, numbered_products.category_number, basket_lines.business_date
),

intervals as (
    select
        *,
        {{ dbt.datediff(
            'lag(business_date) over (partition by household_id, category_number order by business_date)',
            'business_date',
            'day'
        ) }} as days_since_previous
    from purchase_days
),

as_of_households as (
    select
        offer_households.before_date,
        offer_households.household_id
    from offer_households
    inner join offer_dates
        on offer_households.before_date = offer_dates.before_date
    -- union, not union all: several campaigns may target a household on one day
    union
    select
        offer_dates.before_date,
        purchase_days.household_id
    from purchase_days
    inner join offer_dates
        on offer_dates.is_latest
),

-- An interval is between two purchases, so what is known before a day is not changed by what comes after it.
habits as (
    select
        as_of_households.before_date,
        as_of_households.household_id,
        intervals.category_number,
        count(*) as purchase_days,
        max(intervals.business_date) as last_category_date,
        cast(median(intervals.days_since_previous) as decimal(9, 1)) as typical_interval_days
    from as_of_households
    inner join intervals
        on
            as_of_households.household_id = intervals.household_id
            and as_of_households.before_date > intervals.business_date
    group by as_of_households.before_date, as_of_households.household_id, intervals.category_number
    having count(*) >= 3
),

counted as (
    select
        *,
        cast({{ dbt.datediff('last_category_date', 'before_date', 'day') }} as integer) as days_since_last
    from habits
),

final as (
    select
        counted.before_date,
        counted.household_id,
        categories.product_category,
        counted.purchase_days,
        counted.last_category_date,
        counted.typical_interval_days,
        counted.days_since_last,
        case
            when counted.days_since_last > 3 * greatest(counted.typical_interval_days, 7) then 'given up'
            when counted.days_since_last >= 0.8 * counted.typical_interval_days then 'due'
            else 'not yet'
        end as replenishment_state,
        offer_dates.is_latest
    from counted
    inner join categories
        on counted.category_number = categories.category_number
    inner join offer_dates
        on counted.before_date = offer_dates.before_date
)

select * from final

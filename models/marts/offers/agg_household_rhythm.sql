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

deliveries as (
    select cast({{ dbt.dateadd('day', 1, 'max(business_date)') }} as date) as next_date
    from basket_lines
),

-- grouped: a day may have many lines of a category, and is one purchase
purchase_days as (
    select
        basket_lines.household_id,
        products.product_category,
        basket_lines.business_date
    from basket_lines
    inner join products
        on basket_lines.product_id = products.product_id
    where
        not basket_lines.has_zero_quantity
        and not basket_lines.is_volume
        and products.product_category <> 'Unknown'
    group by basket_lines.household_id, products.product_category, basket_lines.business_date
),

intervals as (
    select
        *,
        {{ dbt.datediff(
            'lag(business_date) over (partition by household_id, product_category order by business_date)',
            'business_date',
            'day'
        ) }} as days_since_previous
    from purchase_days
),

as_of_households as (
    select
        before_date,
        household_id
    from offer_households
    -- union, not union all: several campaigns may target a household on one day
    union
    select
        deliveries.next_date as before_date,
        purchase_days.household_id
    from purchase_days
    cross join deliveries
),

-- An interval is between two purchases, so what is known before a day is not changed by what comes after it.
habits as (
    select
        as_of_households.before_date,
        as_of_households.household_id,
        intervals.product_category,
        count(*) as purchase_days,
        max(intervals.business_date) as last_category_date,
        cast(median(intervals.days_since_previous) as decimal(9, 1)) as typical_interval_days
    from as_of_households
    inner join intervals
        on
            as_of_households.household_id = intervals.household_id
            and as_of_households.before_date > intervals.business_date
    group by as_of_households.before_date, as_of_households.household_id, intervals.product_category
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
        counted.product_category,
        counted.purchase_days,
        counted.last_category_date,
        counted.typical_interval_days,
        counted.days_since_last,
        case
            when counted.days_since_last > 3 * greatest(counted.typical_interval_days, 7) then 'given up'
            when counted.days_since_last >= 0.8 * counted.typical_interval_days then 'due'
            else 'not yet'
        end as replenishment_state,
        counted.before_date = deliveries.next_date as is_latest
    from counted
    cross join deliveries
)

select * from final

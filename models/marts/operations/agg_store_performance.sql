-- grain: one row per store with sales
with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

delivered_weeks as (
    -- distinct: a week has many lines
    select count(distinct week_number) as weeks_delivered
    from basket_lines
),

stores as (
    select
        store_id,
        min(business_date) as first_sale_date,
        max(business_date) as last_sale_date,
        -- distinct: a basket, a household, a day and a week have many lines
        count(distinct week_number) as weeks_with_sales,
        count(distinct basket_id) as baskets,
        count(distinct household_id) as households,
        cast(coalesce(sum(units), 0) as bigint) as units,
        cast(sum(sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(case when is_volume then sales_usd else 0 end) as decimal(18, 2)) as fuel_sales_usd,
        cast(sum(loyalty_discount_usd) as decimal(18, 2)) as loyalty_discount_usd,
        cast(sum(coupon_discount_usd) as decimal(18, 2)) as coupon_discount_usd,
        cast(sum(coupon_match_discount_usd) as decimal(18, 2)) as coupon_match_discount_usd
    from basket_lines
    group by store_id
),

compared as (
    select
        stores.*,
        delivered_weeks.weeks_delivered,
        -- In whole numbers: at least nine of ten weeks.
        10 * stores.weeks_with_sales >= 9 * delivered_weeks.weeks_delivered as is_comparable,
        {{ money_per_unit('stores.sales_usd - stores.fuel_sales_usd', 'stores.weeks_with_sales') }}
            as shop_sales_per_week_usd
    from stores
    cross join delivered_weeks
),

final as (
    select
        store_id,
        first_sale_date,
        last_sale_date,
        weeks_delivered,
        weeks_with_sales,
        is_comparable,
        baskets,
        households,
        units,
        sales_usd,
        fuel_sales_usd,
        {{ money_per_unit('sales_usd', 'baskets') }} as basket_value_usd,
        shop_sales_per_week_usd,
        -- Ranked among their like: a store seen in three weeks, or a filling station, is not worse than another.
        case
            when is_comparable
                then cast(
                    row_number() over (
                        partition by is_comparable
                        order by shop_sales_per_week_usd desc, store_id asc
                    ) as integer
                )
        end as shop_sales_rank,
        loyalty_discount_usd,
        coupon_discount_usd,
        coupon_match_discount_usd,
        {{ ratio(
            'loyalty_discount_usd + coupon_match_discount_usd',
            'sales_usd + loyalty_discount_usd + coupon_match_discount_usd'
        ) }} as discount_rate
    from compared
)

select * from final

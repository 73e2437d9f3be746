-- grain: one row per period, breakdown and member with sales
{% set members = {
    'all': 'cast(0 as bigint)',
    'department': 'numbered.department_number',
    'category': 'numbered.category_number',
    'store': 'basket_lines.store_id',
} %}
{% set sums = ['units', 'sales_usd', 'fuel_sales_usd', 'retailer_discount_usd', 'coupon_discount_usd'] %}

with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

dates_in_periods as (
    select * from {{ ref('bridge_dates_periods') }}
),

-- Numbers for what is long: to group millions of rows by texts, or sums of 128 bits, takes twice the time.
period_days as (
    select
        *,
        dense_rank() over (order by period_kind, period_name) as period_number
    from dates_in_periods
),

periods as (
    select
        period_number,
        period_kind,
        period_name,
        from_date,
        to_date,
        is_complete_period
    from period_days
    group by period_number, period_kind, period_name, from_date, to_date, is_complete_period
),

numbered as (
    select
        product_id,
        department,
        product_category,
        dense_rank() over (order by department) as department_number,
        dense_rank() over (order by product_category) as category_number
    from products
),

named as (
    select
        'department' as breakdown,
        department_number as member_number,
        department as member
    from numbered
    group by department_number, department
    union all
    select
        'category' as breakdown,
        category_number as member_number,
        product_category as member
    from numbered
    group by category_number, product_category
),

{% for breakdown, number in members.items() %}
    -- A basket is of one day; it may have many lines of a member.
    {{ breakdown }}_baskets as (
        select
            basket_lines.basket_id,
            basket_lines.household_id,
            basket_lines.business_date,
            {{ number }} as member_number,
            cast(coalesce(sum(basket_lines.units), 0) as bigint) as units,
            cast(sum(basket_lines.sales_usd) as decimal(18, 2)) as sales_usd,
            cast(sum(case when basket_lines.is_volume then basket_lines.sales_usd else 0 end) as decimal(18, 2))
                as fuel_sales_usd,
            cast(
                sum(basket_lines.loyalty_discount_usd + basket_lines.coupon_match_discount_usd) as decimal(18, 2)
            ) as retailer_discount_usd,
            cast(sum(basket_lines.coupon_discount_usd) as decimal(18, 2)) as coupon_discount_usd
        from basket_lines
        inner join numbered
            on basket_lines.product_id = numbered.product_id
        group by basket_lines.basket_id, basket_lines.household_id, basket_lines.business_date, {{ number }}
    ),
{% endfor %}

counted as (
    {% for breakdown in members %}
        select
            period_days.period_number,
            '{{ breakdown }}' as breakdown,
            {{ breakdown }}_baskets.member_number,
            -- distinct: a household may come many times
            count(distinct {{ breakdown }}_baskets.household_id) as households,
            {% for column in sums %}
                sum({{ breakdown }}_baskets.{{ column }}) as {{ column }},
            {% endfor %}
            count(*) as baskets
        from {{ breakdown }}_baskets
        inner join period_days
            on {{ breakdown }}_baskets.business_date = period_days.calendar_date
        group by period_days.period_number, {{ breakdown }}_baskets.member_number
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

final as (
    select
        periods.period_kind,
        periods.period_name,
        periods.from_date,
        periods.to_date,
        periods.is_complete_period,
        counted.breakdown,
        case counted.breakdown
            when 'all' then 'all'
            when 'store' then cast(counted.member_number as string)
            else named.member
        end as member,
        counted.households,
        counted.baskets,
        cast(counted.units as bigint) as units,
        cast(counted.sales_usd as decimal(18, 2)) as sales_usd,
        cast(counted.fuel_sales_usd as decimal(18, 2)) as fuel_sales_usd,
        cast(counted.retailer_discount_usd as decimal(18, 2)) as retailer_discount_usd,
        cast(counted.coupon_discount_usd as decimal(18, 2)) as coupon_discount_usd
    from counted
    inner join periods
        on counted.period_number = periods.period_number
    left join named
        on
            counted.breakdown = named.breakdown
            and counted.member_number = named.member_number
)

select * from final

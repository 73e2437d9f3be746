-- grain: one row per as-of date and ordered pair of product categories that go together
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

before_dates as (
    select before_date from offer_households
    -- union: a date counts once
    union
    select next_date as before_date from deliveries
),

-- Numbers are compared and grouped many times faster than names; they keep the order of the alphabet.
categories as (
    select
        product_category,
        row_number() over (order by product_category) as category_number
    from products
    where product_category <> 'Unknown'
    group by product_category
),

numbered_products as (
    select
        products.product_id,
        categories.category_number
    from products
    inner join categories
        on products.product_category = categories.product_category
),

-- Days between two as-of dates are counted once and added up afterwards: each belongs to the first date that sees it.
days as (
    select
        basket_lines.business_date,
        min(before_dates.before_date) as seen_date
    from basket_lines
    inner join before_dates
        on basket_lines.business_date < before_dates.before_date
    group by basket_lines.business_date
),

-- grouped: a basket may hold many products of a category
basket_categories as (
    select
        days.seen_date,
        basket_lines.basket_id,
        numbered_products.category_number
    from basket_lines
    inner join days
        on basket_lines.business_date = days.business_date
    inner join numbered_products
        on basket_lines.product_id = numbered_products.product_id
    where not basket_lines.has_zero_quantity and not basket_lines.is_volume
    group by days.seen_date, basket_lines.basket_id, numbered_products.category_number
),

-- A category with itself stands for all baskets with it.
new_pairs as (
    select
        one.seen_date,
        one.category_number,
        other.category_number as with_number,
        count(*) as baskets
    from basket_categories as one
    inner join basket_categories as other
        on
            one.basket_id = other.basket_id
            and one.category_number <= other.category_number
    group by one.seen_date, one.category_number, other.category_number
),

counted as (
    select
        before_dates.before_date,
        new_pairs.category_number,
        new_pairs.with_number,
        cast(sum(new_pairs.baskets) as bigint) as baskets
    from before_dates
    inner join new_pairs
        on before_dates.before_date >= new_pairs.seen_date
    group by before_dates.before_date, new_pairs.category_number, new_pairs.with_number
    having sum(new_pairs.baskets) >= 30
),

singles as (
    select
        counted.before_date,
        counted.category_number,
        counted.baskets,
        categories.product_category
    from counted
    inner join categories
        on counted.category_number = categories.category_number
    where counted.category_number = counted.with_number
),

new_baskets as (
    select
        seen_date,
        -- distinct: a basket holds many categories
        count(distinct basket_id) as baskets
    from basket_categories
    group by seen_date
),

everything as (
    select
        before_dates.before_date,
        cast(sum(new_baskets.baskets) as bigint) as baskets
    from before_dates
    inner join new_baskets
        on before_dates.before_date >= new_baskets.seen_date
    group by before_dates.before_date
),

directed as (
    select
        before_date,
        category_number,
        with_number,
        baskets
    from counted
    where category_number < with_number
    union all
    select
        before_date,
        with_number as category_number,
        category_number as with_number,
        baskets
    from counted
    where category_number < with_number
),

final as (
    select
        directed.before_date,
        singles.product_category,
        with_singles.product_category as with_category,
        directed.baskets as pair_baskets,
        singles.baskets as category_baskets,
        with_singles.baskets as with_category_baskets,
        everything.baskets as all_baskets,
        {{ ratio('directed.baskets', 'everything.baskets') }} as support,
        {{ ratio('directed.baskets', 'singles.baskets') }} as confidence,
        {{ lift('directed.baskets', 'singles.baskets', 'with_singles.baskets', 'everything.baskets') }} as pair_lift,
        directed.before_date = deliveries.next_date as is_latest
    from directed
    inner join singles
        on
            directed.before_date = singles.before_date
            and directed.category_number = singles.category_number
    inner join singles as with_singles
        on
            directed.before_date = with_singles.before_date
            and directed.with_number = with_singles.category_number
    inner join everything
        on directed.before_date = everything.before_date
    cross join deliveries
    -- more often together than by chance
    where directed.baskets * everything.baskets > singles.baskets * with_singles.baskets
)

select * from final

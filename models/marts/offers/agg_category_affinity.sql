-- grain: one row per as-of date and ordered pair of product categories that go together
with category_pairs as (
    select * from {{ ref('agg_category_pairs') }}
),

offer_dates as (
    select * from {{ ref('agg_offer_dates') }}
    {% if is_incremental() %}
        where before_date in {{ missing_partitions(ref('agg_offer_dates'), 'before_date') }}
    {% endif %}
),

-- Each category is in a pair with itself.
own_pairs as (
    select product_category
    from category_pairs
    where product_category = with_category
),

categories as (
    {{ numbered_names('own_pairs', 'product_category', 'category_number') }}
),

new_pairs as (
    select
        category_pairs.before_date as seen_date,
        categories.category_number,
        with_categories.category_number as with_number,
        category_pairs.new_pair_baskets
    from category_pairs
    inner join categories
        on category_pairs.product_category = categories.product_category
    inner join categories as with_categories
        on category_pairs.with_category = with_categories.product_category
),

new_baskets as (
    select
        before_date as seen_date,
        new_baskets as baskets
    from category_pairs
    -- grouped: each pair of a date has the number of all baskets
    group by before_date, new_baskets
),

-- Baskets between two as-of dates were counted once and are added up here: a date sees all dates before it.
seen_dates as (
    select
        offer_dates.before_date,
        offer_dates.is_latest,
        new_baskets.seen_date,
        new_baskets.baskets
    from offer_dates
    inner join new_baskets
        on offer_dates.before_date >= new_baskets.seen_date
),

counted as (
    select
        seen_dates.before_date,
        new_pairs.category_number,
        new_pairs.with_number,
        cast(sum(new_pairs.new_pair_baskets) as bigint) as baskets
    from seen_dates
    inner join new_pairs
        on seen_dates.seen_date = new_pairs.seen_date
    group by seen_dates.before_date, new_pairs.category_number, new_pairs.with_number
    having sum(new_pairs.new_pair_baskets) >= 30
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

everything as (
    select
        before_date,
        is_latest,
        cast(sum(baskets) as bigint) as baskets
    from seen_dates
    group by before_date, is_latest
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
        everything.is_latest
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
    -- more often together than by chance
    where directed.baskets * everything.baskets > singles.baskets * with_singles.baskets
)

select * from final

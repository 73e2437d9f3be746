-- grain: one row per product, store and week in which the product sold, or was promoted and expected to
{% set window = 8 %}
{% set least_base_weeks = 4 %}

with basket_lines as (
    select * from {{ ref('fct_basket_lines') }}
),

promotions as (
    select * from {{ ref('fct_promotions') }}
),

-- Where a store has no plan in a week, what it promoted is not known: such weeks are neither cases nor base.
planned_store_weeks as (
    select * from {{ ref('agg_promotion_stores_weekly') }}
),

{% if is_incremental() %}
    built as (
        select * from {{ this }}
    ),

    -- Changed weeks have been deleted by now, from the first one on.
    first_week_to_build as (
        select coalesce(max(week_number), 0) + 1 as week_number
        from built
    ),

    weeks_to_build as (
        select planned_store_weeks.week_number
        from planned_store_weeks
        inner join first_week_to_build
            on planned_store_weeks.week_number >= first_week_to_build.week_number
        group by planned_store_weeks.week_number
    ),

    weeks_to_read as (
        select planned_store_weeks.week_number
        from planned_store_weeks
        inner join first_week_to_build
            on planned_store_weeks.week_number >= first_week_to_build.week_number - {{ window }}
        group by planned_store_weeks.week_number
    ),
{% endif %}

sold as (
    select
        basket_lines.product_id,
        basket_lines.store_id,
        basket_lines.week_number,
        count(*) as lines,
        cast(coalesce(sum(basket_lines.units), 0) as bigint) as units,
        cast(sum(basket_lines.sales_usd) as decimal(18, 2)) as sales_usd,
        cast(sum(basket_lines.loyalty_discount_usd) as decimal(18, 2)) as loyalty_discount_usd,
        cast(sum(basket_lines.coupon_discount_usd) as decimal(18, 2)) as coupon_discount_usd,
        cast(sum(basket_lines.coupon_match_discount_usd) as decimal(18, 2)) as coupon_match_discount_usd
    from basket_lines
    inner join planned_store_weeks
        on
            basket_lines.store_id = planned_store_weeks.store_id
            and basket_lines.week_number = planned_store_weeks.week_number
    {% if is_incremental() %}
        where basket_lines.week_number in (select weeks_to_read.week_number from weeks_to_read)
    {% endif %}
    group by basket_lines.product_id, basket_lines.store_id, basket_lines.week_number
),

{% if is_incremental() %}
    sold_products as (
        select
            product_id,
            store_id
        from sold
        group by product_id, store_id
    ),
{% endif %}

-- The products that a store is known to carry, and since when.
carried as (
    select
        basket_lines.product_id,
        basket_lines.store_id,
        min(basket_lines.week_number) as first_week
    from {{ ref('fct_basket_lines') }} as basket_lines
    inner join planned_store_weeks
        on
            basket_lines.store_id = planned_store_weeks.store_id
            and basket_lines.week_number = planned_store_weeks.week_number
    {% if is_incremental() %}
        inner join sold_products
            on
                basket_lines.product_id = sold_products.product_id
                and basket_lines.store_id = sold_products.store_id
    {% endif %}
    group by basket_lines.product_id, basket_lines.store_id
),

-- A plan lists only what it promotes, on display or in the mailer; a test on the mart checks that.
placed as (
    select
        promotions.product_id,
        promotions.store_id,
        promotions.week_number,
        promotions.display_location,
        promotions.mailer_location
    from promotions
    inner join carried
        on
            promotions.product_id = carried.product_id
            and promotions.store_id = carried.store_id
            and promotions.week_number >= carried.first_week
    {% if is_incremental() %}
        where promotions.week_number in (select weeks_to_read.week_number from weeks_to_read)
    {% endif %}
),

plan_weeks as (
    select week_number
    from planned_store_weeks
    group by week_number
),

-- A week is in the block of each week whose window it is in: mostly one, at a block's end two.
week_blocks as (
    select
        plan_weeks.week_number,
        {{ week_block('later_weeks.week_number') }} as week_block
    from plan_weeks
    inner join plan_weeks as later_weeks
        on later_weeks.week_number between plan_weeks.week_number and plan_weeks.week_number + {{ window }}
    group by plan_weeks.week_number, {{ week_block('later_weeks.week_number') }}
),

placed_weeks as (
    select
        placed.product_id,
        placed.store_id,
        week_blocks.week_block,
        bit_or({{ week_bit('placed.week_number', 'week_blocks.week_block') }}) as weeks
    from placed
    inner join week_blocks
        on placed.week_number = week_blocks.week_number
    group by placed.product_id, placed.store_id, week_blocks.week_block
),

planned_weeks as (
    select
        planned_store_weeks.store_id,
        week_blocks.week_block,
        bit_or({{ week_bit('planned_store_weeks.week_number', 'week_blocks.week_block') }}) as weeks
    from planned_store_weeks
    inner join week_blocks
        on planned_store_weeks.week_number = week_blocks.week_number
    group by planned_store_weeks.store_id, week_blocks.week_block
),

base_sales as (
    select
        sold.product_id,
        sold.store_id,
        sold.week_number,
        sold.units
    from sold
    left join placed
        on
            sold.product_id = placed.product_id
            and sold.store_id = placed.store_id
            and sold.week_number = placed.week_number
    where
        placed.product_id is null
        and sold.units > 0
),

steps as (
    select cast(steps.step as integer) as step
    from range(1, {{ window + 1 }}) as steps (step)
),

-- Each sale without promotion is a base sale of the weeks that follow it.
based as (
    select
        base_sales.product_id,
        base_sales.store_id,
        base_sales.week_number + steps.step as week_number,
        cast(sum(base_sales.units) as bigint) as base_units
    from base_sales
    cross join steps
    inner join carried
        on
            base_sales.product_id = carried.product_id
            and base_sales.store_id = carried.store_id
            and base_sales.week_number + steps.step > carried.first_week + {{ window }}
    {% if is_incremental() %}
        where base_sales.week_number + steps.step in (select weeks_to_build.week_number from weeks_to_build)
    {% endif %}
    group by base_sales.product_id, base_sales.store_id, base_sales.week_number + steps.step
),

cases as (
    select
        coalesce(sold.product_id, based.product_id) as product_id,
        coalesce(sold.store_id, based.store_id) as store_id,
        coalesce(sold.week_number, based.week_number) as week_number,
        coalesce(sold.lines, 0) as lines,
        coalesce(sold.units, 0) as units,
        coalesce(sold.sales_usd, 0) as sales_usd,
        coalesce(sold.loyalty_discount_usd, 0) as loyalty_discount_usd,
        coalesce(sold.coupon_discount_usd, 0) as coupon_discount_usd,
        coalesce(sold.coupon_match_discount_usd, 0) as coupon_match_discount_usd,
        coalesce(based.base_units, 0) as base_units
    from sold
    full outer join based
        on
            sold.product_id = based.product_id
            and sold.store_id = based.store_id
            and sold.week_number = based.week_number
),

counted as (
    select
        cases.*,
        coalesce(placed.display_location, '0') as display_location,
        coalesce(placed.mailer_location, '0') as mailer_location,
        placed.product_id is not null as is_promoted,
        case
            when cases.week_number > carried.first_week + {{ window }}
                then {{ weeks_before(
                    'planned_weeks.weeks & ~coalesce(placed_weeks.weeks, 0)',
                    'cases.week_number', 'planned_weeks.week_block', window
                ) }}
            else 0
        end as base_weeks
    from cases
    inner join carried
        on
            cases.product_id = carried.product_id
            and cases.store_id = carried.store_id
    inner join planned_weeks
        on
            cases.store_id = planned_weeks.store_id
            and {{ week_block('cases.week_number') }} = planned_weeks.week_block
            and planned_weeks.weeks & {{ week_bit('cases.week_number', 'planned_weeks.week_block') }} <> 0
    left join placed_weeks
        on
            cases.product_id = placed_weeks.product_id
            and cases.store_id = placed_weeks.store_id
            and planned_weeks.week_block = placed_weeks.week_block
    left join placed
        on
            cases.product_id = placed.product_id
            and cases.store_id = placed.store_id
            and cases.week_number = placed.week_number
    {% if is_incremental() %}
        where cases.week_number in (select weeks_to_build.week_number from weeks_to_build)
    {% endif %}
),

rated as (
    select
        *,
        base_weeks >= {{ least_base_weeks }} as has_base,
        case when base_weeks >= {{ least_base_weeks }} then {{ ratio('base_units', 'base_weeks') }} end as base_rate
    from counted
),

-- What was not promoted went up or down as well: the trend of the week, which promotions must not be credited with.
trends as (
    select
        week_number,
        {{ ratio('sum(units)', 'sum(base_rate)') }} as trend
    from rated
    where has_base and not is_promoted
    group by week_number
),

final as (
    select
        rated.product_id,
        rated.store_id,
        rated.week_number,
        rated.display_location,
        rated.mailer_location,
        rated.is_promoted,
        rated.lines,
        rated.units,
        rated.sales_usd,
        rated.loyalty_discount_usd,
        rated.coupon_discount_usd,
        rated.coupon_match_discount_usd,
        rated.base_weeks,
        rated.base_units,
        trends.trend as week_trend,
        -- Without promotion only what sold is here: an expectation of such cases would be one of the lucky.
        case when rated.is_promoted then cast(rated.base_rate * trends.trend as decimal(18, 6)) end as expected_units
    from rated
    left join trends
        on rated.week_number = trends.week_number
    where rated.lines > 0 or (rated.has_base and rated.is_promoted)
)

select * from final

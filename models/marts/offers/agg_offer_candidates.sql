-- grain: one row per as-of date, campaign, targeted household and coupon of the campaign
with offer_households as (
    select * from {{ ref('bridge_offer_households') }}
    {% if is_incremental() %}
        where before_date in {{ missing_partitions(ref('agg_offer_dates'), 'before_date') }}
    {% endif %}
),

campaign_coupons as (
    select * from {{ ref('agg_coupon_popularity') }}
    {% if is_incremental() %}
        where before_date in {{ missing_partitions(ref('agg_offer_dates'), 'before_date') }}
    {% endif %}
),

coupon_products as (
    select * from {{ ref('bridge_coupon_products') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

supported as (
    select * from {{ ref('agg_coupon_support') }}
    {% if is_incremental() %}
        where before_date in {{ missing_partitions(ref('agg_offer_dates'), 'before_date') }}
    {% endif %}
),

rhythm as (
    select * from {{ ref('agg_household_rhythm') }}
    {% if is_incremental() %}
        where before_date in {{ missing_partitions(ref('agg_offer_dates'), 'before_date') }}
    {% endif %}
),

affinity as (
    select * from {{ ref('agg_category_affinity') }}
    {% if is_incremental() %}
        where before_date in {{ missing_partitions(ref('agg_offer_dates'), 'before_date') }}
    {% endif %}
),

offer_weights as (
    select * from {{ ref('offer_weights') }}
),

weights as (
    select
        max(case when signal = 'own purchases' then weight end) as own_purchases,
        max(case when signal = 'own purchases of what everyone buys' then weight end) as everyones_purchases,
        max(case when signal = 'purchases of the kind' then weight end) as kind_purchases,
        max(case when signal = 'due' then weight end) as due,
        max(case when signal = 'affinity' then weight end) as affinity
    from offer_weights
),

coupon_categories as (
    select
        coupon_products.campaign_id,
        coupon_products.coupon_upc,
        products.product_category as coupon_category,
        row_number() over (
            partition by coupon_products.campaign_id, coupon_products.coupon_upc
            order by count(*) desc, products.product_category asc
        ) as category_rank
    from coupon_products
    inner join products
        on coupon_products.product_id = products.product_id
    group by coupon_products.campaign_id, coupon_products.coupon_upc, products.product_category
),

coupons as (
    select
        campaign_coupons.*,
        coupon_categories.coupon_category
    from campaign_coupons
    inner join coupon_categories
        on
            campaign_coupons.campaign_id = coupon_categories.campaign_id
            and campaign_coupons.coupon_upc = coupon_categories.coupon_upc
            and coupon_categories.category_rank = 1
),

categories as (
    {{ numbered_names('products', 'product_category', 'category_number') }}
),

-- grouped: many coupons are for one category
wanted_categories as (
    select
        before_date,
        coupon_category
    from coupons
    group by before_date, coupon_category
),

wanted_pairs as (
    select
        affinity.before_date,
        categories.category_number,
        with_categories.category_number as with_number,
        affinity.pair_lift
    from affinity
    inner join wanted_categories
        on
            affinity.before_date = wanted_categories.before_date
            and affinity.with_category = wanted_categories.coupon_category
    inner join categories
        on affinity.product_category = categories.product_category
    inner join categories as with_categories
        on affinity.with_category = with_categories.product_category
),

-- grouped: several campaigns may target a household on one day
targeted as (
    select
        before_date,
        household_id
    from offer_households
    group by before_date, household_id
),

habits as (
    select
        rhythm.before_date,
        rhythm.household_id,
        categories.category_number
    from rhythm
    inner join targeted
        on
            rhythm.before_date = targeted.before_date
            and rhythm.household_id = targeted.household_id
    inner join categories
        on rhythm.product_category = categories.product_category
),

-- Of all that the household buys again and again, what goes best with a category.
best_lifts as (
    select
        habits.before_date,
        habits.household_id,
        wanted_pairs.with_number,
        max(wanted_pairs.pair_lift) as affinity_lift
    from habits
    inner join wanted_pairs
        on
            habits.before_date = wanted_pairs.before_date
            and habits.category_number = wanted_pairs.category_number
    group by habits.before_date, habits.household_id, wanted_pairs.with_number
),

companions as (
    select
        best_lifts.before_date,
        best_lifts.household_id,
        categories.product_category as coupon_category,
        best_lifts.affinity_lift
    from best_lifts
    inner join categories
        on best_lifts.with_number = categories.category_number
),

signals as (
    select
        offer_households.before_date,
        offer_households.campaign_id,
        offer_households.household_id,
        coupons.coupon_upc,
        coupons.coupon_category,
        coalesce(supported.supporting_baskets, 0) as supporting_baskets,
        coalesce(supported.kind_purchases, 0) as kind_purchases,
        coalesce(rhythm.replenishment_state = 'due', false) as is_due,
        companions.affinity_lift,
        coupons.buying_households,
        coupons.known_households,
        coupons.popularity_rank,
        offer_households.is_latest
    from offer_households
    inner join coupons
        on
            offer_households.before_date = coupons.before_date
            and offer_households.campaign_id = coupons.campaign_id
    left join supported
        on
            offer_households.before_date = supported.before_date
            and offer_households.campaign_id = supported.campaign_id
            and offer_households.household_id = supported.household_id
            and coupons.coupon_upc = supported.coupon_upc
    left join rhythm
        on
            offer_households.before_date = rhythm.before_date
            and offer_households.household_id = rhythm.household_id
            and coupons.coupon_category = rhythm.product_category
    left join companions
        on
            offer_households.before_date = companions.before_date
            and offer_households.household_id = companions.household_id
            and coupons.coupon_category = companions.coupon_category
),

-- Terms of one row, in one order: the sum does not depend on threads.
scored as (
    select
        signals.*,
        cast(
            round(
                ln(1 + signals.supporting_baskets) * (
                    weights.own_purchases
                    + weights.everyones_purchases
                    * coalesce(signals.buying_households / cast(nullif(signals.known_households, 0) as double), 0)
                )
                + ln(1 + signals.kind_purchases) * weights.kind_purchases
                + case when signals.is_due then weights.due else 0 end
                + ln(1 + coalesce(signals.affinity_lift, 0)) * weights.affinity,
                6
            ) as decimal(18, 6)
        ) as score
    from signals
    cross join weights
),

final as (
    select
        before_date,
        campaign_id,
        household_id,
        coupon_upc,
        coupon_category,
        -- popularity_rank ends in the coupon's code, so the order is total
        cast(
            row_number() over (
                partition by before_date, campaign_id, household_id
                order by score desc, popularity_rank asc
            ) as integer
        ) as offer_rank,
        score,
        supporting_baskets,
        kind_purchases,
        is_due,
        affinity_lift,
        buying_households,
        known_households,
        popularity_rank,
        is_latest
    from scored
)

select * from final

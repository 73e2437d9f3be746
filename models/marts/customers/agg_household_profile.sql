-- grain: one row per household with a loyalty card
with households as (
    select * from {{ ref('dim_households') }}
),

purchases as (
    select * from {{ ref('agg_household_value') }}
),

household_weeks as (
    select * from {{ ref('agg_household_lifecycle_weekly') }}
),

favourites as (
    select * from {{ ref('agg_household_favourites') }}
),

basket_anatomy as (
    select * from {{ ref('fct_basket_anatomy') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

redemptions as (
    select * from {{ ref('fct_coupon_redemptions') }}
),

last_week as (
    select
        max(week_number) as week_number,
        max(week_as_of_date) as as_of_date
    from household_weeks
),

rated as (
    select
        purchases.*,
        household_weeks.lifecycle_state,
        household_weeks.week_number - household_weeks.first_week_number + 1 as tenure_weeks,
        {{ ratio(
            'purchases.shopping_weeks', 'household_weeks.week_number - household_weeks.first_week_number + 1'
        ) }} as shopping_week_share,
        {{ money_per_unit(
            'purchases.sales_usd', '(household_weeks.week_number - household_weeks.first_week_number + 1)'
        ) }} as sales_per_week_usd
    from purchases
    inner join household_weeks
        on purchases.household_id = household_weeks.household_id
    inner join last_week
        on household_weeks.week_number = last_week.week_number
),

scored as (
    select
        *,
        cast({{ dbt.datediff('first_purchase_date', 'as_of_date', 'day') }} as integer) as tenure_days,
        {{ score_of_five('-recency_days') }} as recency_score,
        {{ score_of_five('shopping_week_share') }} as frequency_score,
        {{ score_of_five('sales_per_week_usd') }} as monetary_score
    from rated
),

favourite_columns as (
    select
        household_id,
        cast(
            max(case when favourite_kind = 'store' and favourite_rank = 1 then favourite end) as bigint
        ) as favourite_store_id,
        max(case when favourite_kind = 'store' and favourite_rank = 1 then baskets end) as favourite_store_baskets,
        max(case when favourite_kind = 'category' and favourite_rank = 1 then favourite end) as favourite_category,
        max(case when favourite_kind = 'category' and favourite_rank = 2 then favourite end) as second_category,
        max(case when favourite_kind = 'category' and favourite_rank = 3 then favourite end) as third_category,
        cast(
            max(case when favourite_kind = 'brand' and favourite_rank = 1 then favourite end) as bigint
        ) as favourite_manufacturer_id
    from favourites
    group by household_id
),

missions as (
    select
        household_id,
        mission,
        row_number() over (partition by household_id order by count(*) desc, sum(sales_usd) desc, mission asc) as place
    from basket_anatomy
    group by household_id, mission
),

coupon_baskets as (
    select
        household_id,
        sum(case when coupon_discount_usd > 0 then 1 else 0 end) as coupon_baskets
    from baskets
    group by household_id
),

targeted as (
    select
        household_id,
        count(*) as campaigns_targeted
    from targets
    group by household_id
),

redeemed as (
    select
        household_id,
        count(*) as coupons_redeemed
    from redemptions
    group by household_id
),

final as (
    select
        households.household_id,
        last_week.as_of_date,
        scored.lifecycle_state,
        {{ household_segment(
            'scored.lifecycle_state', 'scored.tenure_days', 'scored.frequency_score', 'scored.monetary_score'
        ) }} as segment,
        scored.first_purchase_date,
        scored.last_purchase_date,
        scored.recency_days,
        scored.tenure_days,
        scored.tenure_weeks,
        coalesce(scored.baskets, 0) as baskets,
        coalesce(scored.shopping_weeks, 0) as shopping_weeks,
        scored.shopping_week_share,
        cast(coalesce(scored.sales_usd, 0) as decimal(18, 2)) as sales_usd,
        scored.sales_per_week_usd,
        scored.basket_value_usd,
        scored.recency_score,
        scored.frequency_score,
        scored.monetary_score,
        scored.value_decile,
        favourite_columns.favourite_store_id,
        {{ ratio('favourite_columns.favourite_store_baskets', 'scored.baskets') }} as favourite_store_share,
        favourite_columns.favourite_category,
        favourite_columns.second_category,
        favourite_columns.third_category,
        favourite_columns.favourite_manufacturer_id,
        missions.mission as main_mission,
        scored.private_label_share,
        {{ ratio(
            'scored.loyalty_discount_usd + scored.coupon_match_discount_usd',
            'scored.sales_usd + scored.loyalty_discount_usd + scored.coupon_match_discount_usd'
        ) }} as discount_rate,
        coalesce(targeted.campaigns_targeted, 0) as campaigns_targeted,
        coalesce(redeemed.coupons_redeemed, 0) as coupons_redeemed,
        cast(coalesce(coupon_baskets.coupon_baskets, 0) as bigint) as coupon_baskets,
        case
            when redeemed.coupons_redeemed > 0 then 'redeemer'
            when coupon_baskets.coupon_baskets > 0 then 'coupon_user'
            else 'none'
        end as coupon_affinity,
        households.age_band,
        households.income_band,
        households.home_ownership,
        households.marital_status,
        households.household_size,
        households.household_composition,
        households.kids_count,
        households.has_demographics,
        households.is_deleted
    from households
    cross join last_week
    left join scored
        on households.household_id = scored.household_id
    left join favourite_columns
        on households.household_id = favourite_columns.household_id
    left join missions
        on
            households.household_id = missions.household_id
            and missions.place = 1
    left join coupon_baskets
        on households.household_id = coupon_baskets.household_id
    left join targeted
        on households.household_id = targeted.household_id
    left join redeemed
        on households.household_id = redeemed.household_id
)

select * from final

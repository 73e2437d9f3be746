-- grain: one row per household and as-of date whose next eight weeks have been delivered
with features as (
    select * from {{ ref('agg_household_features') }}
),

baskets as (
    select * from {{ ref('fct_baskets') }}
),

deliveries as (
    select max(business_date) as last_date
    from baskets
),

-- Only who bought in the eight weeks before can lapse, and only a window that is over shows it.
judged as (
    select
        features.household_id,
        features.before_date
    from features
    inner join deliveries
        on {{ dbt.datediff('features.before_date', 'deliveries.last_date', 'day') }} >= 55
    where features.shopping_days_56 > 0
),

counted as (
    select
        judged.household_id,
        judged.before_date,
        count(
            case
                when
                    baskets.business_date >= judged.before_date
                    and {{ dbt.datediff('judged.before_date', 'baskets.business_date', 'day') }} <= 55
                    then baskets.basket_id
            end
        ) as baskets_in_next_56
    from judged
    -- by household alone: a join by a range of days is many times slower
    inner join baskets
        on judged.household_id = baskets.household_id
    group by judged.household_id, judged.before_date
),

final as (
    select
        household_id,
        before_date,
        baskets_in_next_56,
        baskets_in_next_56 = 0 as has_lapsed
    from counted
)

select * from final

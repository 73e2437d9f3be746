-- grain: one row per campaign, targeted household and rank, at most 10
with targets as (
    select * from {{ ref('fct_campaign_targets') }}
),

campaign_coupons as (
    select * from {{ ref('agg_coupon_popularity') }}
),

supported as (
    select * from {{ ref('agg_coupon_support') }}
),

candidates as (
    select
        targets.campaign_id,
        targets.household_id,
        campaign_coupons.coupon_upc,
        campaign_coupons.buying_households,
        campaign_coupons.known_households,
        campaign_coupons.popularity_rank,
        coalesce(supported.supporting_baskets, 0) as supporting_baskets,
        coalesce(supported.supporting_products, 0) as supporting_products,
        supported.last_supporting_date,
        supported.supporting_category
    from targets
    inner join campaign_coupons
        on targets.campaign_id = campaign_coupons.campaign_id
    left join supported
        on
            targets.campaign_id = supported.campaign_id
            and targets.household_id = supported.household_id
            and campaign_coupons.coupon_upc = supported.coupon_upc
),

-- What the household bought itself counts first; what everyone bought only breaks its ties. popularity_rank ends in the
-- coupon's code, so the order is total.
ranked as (
    select
        *,
        cast(
            row_number() over (
                partition by campaign_id, household_id
                order by supporting_baskets desc, popularity_rank asc
            ) as integer
        ) as offer_rank
    from candidates
),

final as (
    select
        campaign_id,
        household_id,
        offer_rank,
        coupon_upc,
        cast(
            supporting_baskets + coalesce({{ ratio('buying_households', 'known_households') }}, 0) as decimal(18, 6)
        ) as score,
        supporting_baskets,
        supporting_products,
        last_supporting_date,
        supporting_category,
        buying_households,
        case
            when supporting_baskets > 0 then 'bought before'
            when buying_households > 0 then 'popular'
            else 'no history'
        end as reason_code,
        case
            when supporting_baskets > 0
                then
                    'You bought products of this offer on ' || cast(supporting_baskets as varchar)
                    || case when supporting_baskets = 1 then ' shopping trip' else ' shopping trips' end
                    || case
                        when supporting_category = 'Unknown' then ''
                        when supporting_products = 1 then ' (' || lower(supporting_category) || ')'
                        else ' (mostly ' || lower(supporting_category) || ')'
                    end
                    || ', last on ' || cast(last_supporting_date as varchar) || '.'
            when buying_households > 0
                then
                    'New for you, bought before by ' || cast(buying_households as varchar) || ' of our '
                    || cast(known_households as varchar) || ' card holders.'
            else 'New for you: be among the first to try this offer.'
        end as reason
    from ranked
    where offer_rank <= 10
)

select * from final

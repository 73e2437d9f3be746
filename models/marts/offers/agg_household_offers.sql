-- grain: one row per as-of date, campaign, targeted household and rank, at most 10
with candidates as (
    select * from {{ ref('agg_offer_candidates') }}
    where
        offer_rank <= 10
        {% if is_incremental() %}
            and before_date in {{ missing_partitions(ref('agg_offer_dates'), 'before_date') }}
        {% endif %}
),

campaigns as (
    select * from {{ ref('dim_campaigns') }}
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

-- Of all that the household buys again and again, what goes best with the coupon's category.
companions as (
    select
        candidates.before_date,
        candidates.campaign_id,
        candidates.household_id,
        candidates.coupon_upc,
        min(affinity.product_category) as affinity_category
    from candidates
    inner join rhythm
        on
            candidates.before_date = rhythm.before_date
            and candidates.household_id = rhythm.household_id
    inner join affinity
        on
            candidates.before_date = affinity.before_date
            and rhythm.product_category = affinity.product_category
            and candidates.coupon_category = affinity.with_category
            and candidates.affinity_lift = affinity.pair_lift
    -- little more than chance would be a strange reason
    where candidates.supporting_baskets = 0 and candidates.kind_purchases = 0 and candidates.affinity_lift >= 1.5
    group by candidates.before_date, candidates.campaign_id, candidates.household_id, candidates.coupon_upc
),

-- Households like yours: those that the campaign targets as well.
peers as (
    select
        before_date,
        campaign_id,
        coupon_upc,
        count(*) as buying_peers
    from supported
    where supporting_baskets > 0
    group by before_date, campaign_id, coupon_upc
),

explained as (
    select
        candidates.*,
        campaigns.campaign_type,
        campaigns.end_date,
        campaigns.targeted_households,
        coalesce(supported.supporting_products, 0) as supporting_products,
        supported.last_supporting_date,
        supported.supporting_category,
        companions.affinity_category,
        coalesce(peers.buying_peers, 0) as buying_peers,
        case when candidates.is_due then rhythm.typical_interval_days end as typical_interval_days,
        case when candidates.is_due then rhythm.last_category_date end as last_category_date
    from candidates
    inner join campaigns
        on candidates.campaign_id = campaigns.campaign_id
    left join supported
        on
            candidates.before_date = supported.before_date
            and candidates.campaign_id = supported.campaign_id
            and candidates.household_id = supported.household_id
            and candidates.coupon_upc = supported.coupon_upc
    left join rhythm
        on
            candidates.before_date = rhythm.before_date
            and candidates.household_id = rhythm.household_id
            and candidates.coupon_category = rhythm.product_category
    left join companions
        on
            candidates.before_date = companions.before_date
            and candidates.campaign_id = companions.campaign_id
            and candidates.household_id = companions.household_id
            and candidates.coupon_upc = companions.coupon_upc
    left join peers
        on
            candidates.before_date = peers.before_date
            and candidates.campaign_id = peers.campaign_id
            and candidates.coupon_upc = peers.coupon_upc
),

coded as (
    select
        *,
        case
            when supporting_baskets > 0 and is_due then 'due again'
            when supporting_baskets > 0 then 'bought before'
            when kind_purchases > 0 then 'same kind'
            when affinity_category is not null then 'goes with'
            when buying_peers > 0 then 'popular with peers'
            when buying_households > 0 then 'popular'
            else 'no history'
        end as reason_code
    from explained
),

final as (
    select
        before_date,
        campaign_id,
        household_id,
        offer_rank,
        coupon_upc,
        coupon_category,
        campaign_type,
        end_date,
        score,
        supporting_baskets,
        supporting_products,
        last_supporting_date,
        supporting_category,
        kind_purchases,
        typical_interval_days,
        last_category_date,
        affinity_category,
        buying_peers,
        buying_households,
        reason_code,
        case
            when reason_code in ('due again', 'bought before')
                then
                    'You bought products of this offer on ' || cast(supporting_baskets as string)
                    || case when supporting_baskets = 1 then ' shopping trip' else ' shopping trips' end
                    || case
                        when supporting_category = 'Unknown' then ''
                        when supporting_products = 1 then ' (' || lower(supporting_category) || ')'
                        else ' (mostly ' || lower(supporting_category) || ')'
                    end
                    || ', last on ' || cast(last_supporting_date as string) || '.'
            when reason_code = 'same kind'
                then 'You buy products of this kind (' || lower(coupon_category) || '), but not yet these.'
            when reason_code = 'goes with'
                then
                    'New for you (' || lower(coupon_category) || '): often in one basket with '
                    || lower(affinity_category) || ', which you buy.'
            when reason_code = 'popular with peers'
                then
                    'New for you, bought before by ' || cast(buying_peers as string) || ' of the '
                    || cast(targeted_households as string) || ' households that get this campaign like you.'
            when reason_code = 'popular'
                then
                    'New for you, bought before by ' || cast(buying_households as string) || ' of our '
                    || cast(known_households as string) || ' card holders.'
            else 'New for you: be among the first to try this offer.'
        end
        || case
            when not is_due then ''
            else
                ' You buy ' || lower(coupon_category) || ' about every '
                || case
                    when typical_interval_days < 1.5 then 'day'
                    else cast(cast(round(typical_interval_days) as integer) as string) || ' days'
                end
                || ', last on ' || cast(last_category_date as string) || ': time for more.'
        end as reason,
        is_due,
        is_latest
    from coded
)

select * from final

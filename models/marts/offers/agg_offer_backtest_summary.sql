-- grain: one row per kind of campaigns, set of campaigns and ranking
{% set depths = [1, 3, 5, 10, 16] %}
with backtest as (
    select * from {{ ref('agg_offer_backtest') }}
    where has_choice and redeemed_offers > 0
),

-- Each campaign counts in its own type and in all, in its own set and in all.
{% set groups = [
    ('campaign_type', "case when is_held_out then 'held out' else 'fitted' end"),
    ('campaign_type', "'all'"),
    ("'all'", "case when is_held_out then 'held out' else 'fitted' end"),
    ("'all'", "'all'"),
] %}
grouped as (
    {% for types, campaign_set in groups %}
        select
            {{ types }} as campaign_types,
            {{ campaign_set }} as campaign_set,
            ranking,
            redeemed_offers,
            redeeming_households,
            {% for depth in depths %}
                hits_at_{{ depth }},
            {% endfor %}
            reciprocal_ranks
        from backtest
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

summed as (
    select
        campaign_types,
        campaign_set,
        ranking,
        count(*) as judged_campaigns,
        cast(sum(redeemed_offers) as bigint) as redeemed_offers,
        cast(sum(redeeming_households) as bigint) as redeeming_households,
        {% for depth in depths %}
            sum(hits_at_{{ depth }}) as hits_at_{{ depth }},
        {% endfor %}
        sum(reciprocal_ranks) as reciprocal_ranks
    from grouped
    group by campaign_types, campaign_set, ranking
),

baselines as (
    select
        campaign_types,
        campaign_set,
        max(case when ranking = 'random' then hits_at_10 end) as random_hits_at_10,
        max(case when ranking = 'popular' then hits_at_10 end) as popular_hits_at_10
    from summed
    group by campaign_types, campaign_set
),

final as (
    select
        summed.campaign_types,
        summed.campaign_set,
        summed.ranking,
        summed.judged_campaigns,
        summed.redeemed_offers,
        summed.redeeming_households,
        {% for depth in depths %}
            {{ ratio('summed.hits_at_' ~ depth, 'summed.redeemed_offers') }} as recall_at_{{ depth }},
        {% endfor %}
        {{ ratio('summed.reciprocal_ranks', 'summed.redeeming_households') }} as mean_reciprocal_rank,
        {{ ratio('summed.hits_at_10', 'baselines.random_hits_at_10') }} as lift_over_random_at_10,
        {{ ratio('summed.hits_at_10', 'baselines.popular_hits_at_10') }} as lift_over_popular_at_10
    from summed
    inner join baselines
        on
            summed.campaign_types = baselines.campaign_types
            and summed.campaign_set = baselines.campaign_set
)

select * from final

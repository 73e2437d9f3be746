{#
  The personal order finds more of what was redeemed than the popular and the random one, within ten offers and by its first
  hit. Compared wherever there are at least 200 redeemed offers, on campaigns that the weights have not seen and on all: fewer
  would fail by bad luck. For the first hit, 'popular' is an honest rival: one coupon that everyone redeems is enough.
  Fails? Look at agg_offer_backtest by campaign. If the signals are right, the weights no longer are: fit them again
  (python -m science.offer_weights), and publish nothing before.
#}
with summary as (
    select * from {{ ref('agg_offer_backtest_summary') }}
    where redeemed_offers >= 200 and campaign_set <> 'fitted'
),

personal as (
    select * from summary
    where ranking = 'personal'
),

final as (
    select
        summary.campaign_types,
        summary.campaign_set,
        summary.ranking,
        summary.redeemed_offers,
        summary.recall_at_10,
        personal.recall_at_10 as personal_recall_at_10,
        summary.mean_reciprocal_rank,
        personal.mean_reciprocal_rank as personal_mean_reciprocal_rank
    from summary
    inner join personal
        on
            summary.campaign_types = personal.campaign_types
            and summary.campaign_set = personal.campaign_set
    where
        summary.ranking in ('popular', 'random')
        and (
            summary.recall_at_10 >= personal.recall_at_10
            or summary.mean_reciprocal_rank >= personal.mean_reciprocal_rank
        )
)

select * from final

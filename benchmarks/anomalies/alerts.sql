-- grain: one row per alert of another method
-- By the rules of observe.anomalies: series, grace, onset and budget. From a score of 1 a day is an anomaly.
with judged as (
    select
        *,
        coalesce(other_score >= 1, false) and not is_in_grace as is_anomaly
    from others
),

budgets as (
    select
        channel,
        max(alerts_per_day) as alerts_per_day
    from seeds.anomaly_tiers
    group by channel
),

begun as (
    select
        *,
        is_anomaly
        and not coalesce(
            lag(is_anomaly) over (partition by relation_name, measure, member order by at_date), false
        ) as is_new
    from judged
),

ranked as (
    select
        *,
        row_number() over (
            partition by channel, at_date
            order by is_new desc, other_score desc, relation_name asc, measure asc, member asc
        ) as place
    from begun
),

final as (
    select
        ranked.relation_name,
        ranked.measure,
        ranked.member,
        ranked.at_date
    from ranked
    inner join budgets on ranked.channel = budgets.channel
    where ranked.is_new and ranked.place <= budgets.alerts_per_day
)

select * from final

-- grain: one row per alert of another method
-- By the rules of observe.anomalies: series, grace, holidays, onset and budget. From a score of 1 a day is an anomaly.
with judged as (
    select
        others.*,
        tiers.alerts_per_day,
        not others.is_in_grace
        and coalesce(
            others.other_score
            >= case when others.is_holiday then tiers.least_holiday_score / tiers.least_score else 1 end,
            false
        ) as is_anomaly
    from others
    inner join seeds.anomaly_tiers as tiers on others.alert_tier = tiers.alert_tier
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
            partition by alert_tier, at_date
            order by is_new desc, other_score desc, relation_name asc, measure asc, member asc
        ) as place
    from begun
),

final as (
    select
        relation_name,
        measure,
        member,
        at_date
    from ranked
    where is_new and place <= alerts_per_day
)

select * from final

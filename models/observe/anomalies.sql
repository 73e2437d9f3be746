-- grain: one row per watched relation, measure, member and day of the latest ones
with series as (
    select * from {{ ref('anomaly_series') }}
),

incidents as (
    select * from {{ ref('incidents') }}
),

tiers as (
    select * from {{ ref('anomaly_tiers') }}
),

-- People shop for a holiday on the day before, and make up for it on the day after.
holidays as (
    select holiday_date from {{ ref('holidays') }}
    {% for days in (-1, 1) %}
        union
        select {{ dbt.dateadd('day', days, 'holiday_date') }} from {{ ref('holidays') }}
    {% endfor %}
),

marked as (
    select
        series.relation_name,
        series.measure,
        series.member,
        series.alert_tier,
        series.at_date,
        series.measured_rows as points,
        cast(series.measured_value as double) as value,
        exists(
            select 1
            from incidents
            where
                incidents.relation_name = series.relation_name
                and incidents.measure in ('all', series.measure)
                and incidents.member in ('all', series.member)
                and series.at_date between incidents.first_date and incidents.last_date
        ) as is_excluded,
        series.at_date in (select holidays.holiday_date from holidays) as is_holiday
    from series
),

scored as (
    {{ anomaly_scores('marked') }}
),

judged as (
    select
        scored.*,
        tiers.channel,
        tiers.alerts_per_day,
        scored.trained_points < {{ var('anomaly_grace_days') }} as is_in_grace,
        not scored.is_excluded
        and scored.trained_points >= {{ var('anomaly_grace_days') }}
        and coalesce(
            scored.score >= case when scored.is_holiday then tiers.least_holiday_score else tiers.least_score end, false
        ) as is_anomaly
    from scored
    inner join tiers on scored.alert_tier = tiers.alert_tier
),

-- What goes on is told on its first day, so the days are cut only after each knows the one before.
begun as (
    select
        *,
        is_anomaly
        and not coalesce(
            lag(is_anomaly) over (partition by relation_name, measure, member order by at_date), false
        ) as is_new,
        max(at_date) over (partition by relation_name) as latest_date
    from judged
),

ranked as (
    select
        *,
        sum(case when is_new then 1 else 0 end) over (
            partition by channel, at_date
            order by score desc, relation_name asc, measure asc, member asc
            rows between unbounded preceding and current row
        ) as place
    from begun
    where {{ dbt.datediff('at_date', 'latest_date', 'day') }} < {{ var('anomaly_listed_days') }}
),

final as (
    select
        relation_name,
        measure,
        member,
        at_date,
        alert_tier,
        channel,
        points as measured_rows,
        {{ rounded('value') }} as measured_value,
        {{ rounded('expected') }} as expected_value,
        {{ rounded('spread') }} as expected_spread,
        {{ rounded('score') }} as anomaly_score,
        cast(trained_points as integer) as trained_points,
        is_excluded as is_incident,
        is_holiday,
        is_in_grace,
        is_anomaly,
        is_new and place <= alerts_per_day as is_alert,
        at_date = latest_date as is_latest_day
    from ranked
)

select * from final

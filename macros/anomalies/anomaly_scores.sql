{#
  How far each value is from what the days before it let one expect: adds expected, spread, score and trained_points to the
  rows. Nothing of a day, or after it, has a part in what is expected of it.
    expected: the median of the same weekday in the 8 weeks before, moved by how the last 14 days stand to all of those
        weeks: it follows season and trend, and no single day. A level is not moved, and so cannot follow its own drift: its
        last 8 same weekdays are the weeks before, of which none has a day of its own seven
    spread: how far such expectations were off in the 8 weeks before, by their median and their ninth decile, and at least what
        chance does to a count, a share or a mean. Of a level without those of its own seven days
    score: the distance by the spread; of freshness, rates and distribution only more is worse. Counts are compared by their
        roots, which are spread alike whether there is little or much: none at all is far from any
    trained_points: of how many expectations the spread is known
  A day that is_excluded, as a labelled incident is, teaches nothing.
    series: a relation or CTE of relation_name, measure, member, at_date, points, value and is_excluded, a row per open day
#}
{% macro anomaly_scores(series) %}
    {% set by_day = 'partition by relation_name, measure, member order by at_date' %}
    {% set by_weekday = 'partition by relation_name, measure, member, weekday order by at_date' %}
    with known as (
        select
            *,
            {{ iso_day_of_week('at_date') }} as weekday,
            case when not is_excluded then value end as known_value
        from {{ series }}
    ),

    levels as (
        select
            *,
            {{ quantile_before('known_value', 0.5, by_weekday, 8) }} as usual_value,
            {{ quantile_before('known_value', 0.5, by_day, 14) }} as recent_level,
            {{ quantile_before('known_value', 0.5, by_day, 56) }} as long_level
        from known
    ),

    expectations as (
        select
            *,
            usual_value * case
                when measure like 'freshness%' or measure like 'distribution%' or measure like 'level%' then 1
                else least(2, greatest(0.5, coalesce(recent_level / nullif(long_level, 0), 1)))
            end as expected
        from levels
    ),

    errors as (
        select
            *,
            case
                when measure like 'level%' then lag(abs(known_value - expected), 6) over ({{ by_day }})
                else abs(known_value - expected)
            end as error,
            case
                when measure like 'volume%' or measure like 'distinct%' then sqrt(greatest(expected, 1))
                when measure like 'freshness%' then 0.75
                -- Of n rows a share p is off by sqrt(p (1 - p) / n); a share that was never seen is taken for one row.
                when measure like '%_rate%'
                    then sqrt(greatest(expected * (1 - expected), 1.0 / nullif(points, 0)) / nullif(points, 0))
                when measure like 'distribution%' then 0.01
                when measure like 'level%' then 0.02 * abs(expected)
                -- A mean of n rows, whose values are spread as widely as they are large.
                else abs(expected) * greatest(0.02, coalesce(1 / sqrt(nullif(points, 0)), 0))
            end as chance
        from expectations
    ),

    spreads as (
        select
            *,
            count(error) over ({{ by_day }} rows between 56 preceding and 1 preceding) as trained_points,
            -- As standard deviations of a normal distribution.
            greatest(
                chance,
                1.4826 * {{ quantile_before('error', 0.5, by_day, 56) }},
                {{ quantile_before('error', 0.9, by_day, 56) }} / 1.645
            ) as spread
        from errors
    )

    select
        *,
        case
            when measure like 'freshness%' or measure like 'distribution%' or measure like '%_rate%'
                then greatest(value - expected, 0)
            when measure like 'volume%' or measure like 'distinct%'
                then 2 * sqrt(greatest(expected, 1)) * abs(sqrt(value) - sqrt(expected))
            else abs(value - expected)
        end / nullif(spread, 0) as score
    from spreads
{% endmacro %}

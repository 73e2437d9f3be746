{#
  The daily values of one measure of a relation, by member: one row per member and day that is open to sell, from the member's
  first day on. A day without rows is one with 0 rows: that is how a silent store shows. Columns: member, at_date, points (rows
  behind the value) and value (null where nothing can be measured).
    relation: a relation or CTE
    measure: volume, freshness (days since the last row), null_rate, distinct, mean, level (the median of the last seven
        means), repeat_rate (share of rows whose columns equal those of another row of the day or of one of the day before),
        or distribution (how far the day's shares of the column's values are from those of the 28 days before, from 0 to 1)
    column: SQL for what null_rate, distinct, mean, level and distribution look at; the columns of repeat_rate
    by: a column that makes the members, such as a store, of repeat_rate one of its columns; none for the relation as a whole
    day: the column of the day
    rows: SQL for how many rows a group stands for, where the relation has added them up
    days: how many of the latest days; none for all
#}
{% macro measure_series(relation, measure, column=none, by=none, day='business_date', rows='count(*)', days=none) %}
    {% set member = 'cast(' ~ by ~ ' as string)' if by else "'all'" %}
    {% set mean = 'cast(sum(' ~ column ~ ') as double) / nullif('
        ~ ('count(' ~ column ~ ')' if rows == 'count(*)' else rows) ~ ', 0)' %}
    {% set measured = {
        'null_rate': '1 - cast(count(' ~ column ~ ') as double) / count(*)',
        'distinct': 'cast(count(distinct ' ~ column ~ ') as double)',
        'mean': mean,
        'level': mean,
        'repeat_rate': 'cast(sum(case when copies > 1 or is_of_day_before then copies else 0 end) as double) / sum(copies)',
    }.get(measure, 'null') %}
    with span as (
        select
            {% if days %}
                greatest(min({{ day }}), {{ dbt.dateadd('day', 1 - days, 'max(' ~ day ~ ')') }}) as first_date,
            {% else %}
                min({{ day }}) as first_date,
            {% endif %}
            max({{ day }}) as last_date
        from {{ relation }}
    ),

    calendar as (
        select days.calendar_date as at_date
        from {{ calendar_days('first_date', 'last_date', 'span') }} as days
        where days.calendar_date not in (select closed_days.closed_date from {{ ref('closed_days') }} as closed_days)
    ),

    {% if measure == 'repeat_rate' %}
        contents as (
            select
                {{ day }},
                {{ column }},
                count(*) as copies,
                {{ dbt.datediff('lag(' ~ day ~ ') over (partition by ' ~ column ~ ' order by ' ~ day ~ ')', day, 'day') }}
                = 1 as is_of_day_before
            from {{ relation }}
            where {{ day }} >= (select span.first_date from span)
            group by {{ day }}, {{ column }}
        ),
    {% endif %}

    counted as (
        select
            {{ 'cast(' ~ column ~ ' as string)' if measure == 'distribution' else member }} as member,
            {{ day }} as at_date,
            cast({{ 'sum(copies)' if measure == 'repeat_rate' else rows }} as bigint) as points,
            {{ measured }} as measured
        from {{ 'contents' if measure == 'repeat_rate' else relation }}
        where {{ day }} >= (select span.first_date from span)
        group by 1, 2
    ),

    members as (
        select
            member,
            min(at_date) as first_date
        from counted
        group by member
    ),

    grid as (
        select
            members.member,
            calendar.at_date,
            coalesce(counted.points, 0) as points,
            counted.measured,
            max(counted.at_date) over (partition by members.member order by calendar.at_date) as latest_date
        from members
        inner join calendar on members.first_date <= calendar.at_date
        left join counted on members.member = counted.member and calendar.at_date = counted.at_date
    )

    {% if measure == 'distribution' %},
        shares as (
            select
                *,
                coalesce(
                    sum(points) over (partition by member order by at_date rows between 28 preceding and 1 preceding), 0
                ) as points_before
            from grid
        ),

        totals as (
            select
                at_date,
                sum(points) as all_points,
                sum(points_before) as all_points_before
            from shares
            group by at_date
        )

        select
            'all' as member,
            totals.at_date,
            cast(max(totals.all_points) as bigint) as points,
            -- Whole numbers until the end: a sum of floats depends on the order of threads.
            cast(sum(abs(shares.points * totals.all_points_before - shares.points_before * totals.all_points)) as double)
            / nullif(2.0 * max(totals.all_points) * max(totals.all_points_before), 0) as value
        from totals
        inner join shares on totals.at_date = shares.at_date
        group by totals.at_date
    {% else %}
        select
            member,
            at_date,
            points,
            {% if measure == 'volume' %}
                cast(points as double) as value
            {% elif measure == 'freshness' %}
                cast({{ dbt.datediff('latest_date', 'at_date', 'day') }} as double) as value
            {% elif measure == 'level' %}
                {{ quantile_before('measured', 0.5, 'partition by member order by at_date', 7, until=0) }} as value
            {% elif measure == 'distinct' %}
                coalesce(measured, 0) as value
            {% else %}
                measured as value
            {% endif %}
        from grid
    {% endif %}
{% endmacro %}

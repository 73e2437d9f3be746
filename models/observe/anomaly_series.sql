-- grain: one row per watched relation, measure, member and day
-- What is watched: a relation, a measure of its days (macros/anomalies/measure_series.sql), and how much it matters.
{% set lines = {'relation': 'fct_basket_lines', 'tier': 'gold'} %}
{% set baskets = {'relation': 'fct_baskets', 'tier': 'gold'} %}
{% set departments = {'relation': 'agg_sales_daily_department', 'rows': 'sum(lines)', 'tier': 'silver'} %}
{% set watches = [
    dict(lines, measure='volume'),
    dict(lines, measure='mean', column='sales_usd'),
    dict(lines, measure='mean', column='units'),
    dict(lines, measure='null_rate', column='regular_price_usd'),
    dict(lines, measure='distinct', column='product_id'),
    dict(lines, measure='distinct', column='household_id'),
    dict(lines, measure='level', column='sales_usd'),
    dict(lines, measure='repeat_rate', column='household_id, product_id, store_id, units, sales_usd'),
    dict(baskets, measure='volume'),
    dict(baskets, measure='mean', column='sales_usd'),
    dict(baskets, measure='level', column='sales_usd'),
    dict(baskets, measure='distribution', column='store_id'),
    dict(baskets, measure='volume', by='store_id', tier='silver'),
    dict(baskets, measure='freshness', by='store_id', tier='silver'),
    dict(departments, measure='volume', by='department'),
    dict(departments, measure='freshness', by='department'),
    dict(departments, measure='mean', column='units', by='department', tier='bronze'),
    dict(departments, measure='mean', column='sales_usd', by='department', tier='bronze'),
    dict(departments, measure='distribution', column='department'),
] %}

with
-- The days that are listed, and twice 8 weeks before them: what was expected, and how well.
{% for watch in watches %}
    watch_{{ loop.index }} as (
        {{ measure_series(
            ref(watch.relation), watch.measure, watch.column, watch.by,
            rows=watch.rows or 'count(*)', days=112 + var('anomaly_listed_days') | int
        ) }}
    ),
{% endfor %}

series as (
    {% for watch in watches %}
        select
            '{{ watch.relation }}' as relation_name,
            '{{ watch.measure ~ ('(' ~ watch.column ~ ')' if watch.column else '') }}' as measure,
            {{ "'" ~ watch.by ~ "=' || member as member" if watch.by else 'member' }},
            '{{ watch.tier }}' as alert_tier,
            at_date,
            points,
            value
        from watch_{{ loop.index }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- A day of which only the stream has told is whole when the next one has begun.
whole_days as (
    select
        greatest(
            coalesce(max(case when is_settled then business_date end), cast('1900-01-01' as date)),
            cast({{ dbt.dateadd('day', -1, 'max(business_date)') }} as date)
        ) as last_date
    from {{ ref('fct_basket_lines') }}
),

final as (
    select
        relation_name,
        measure,
        member,
        alert_tier,
        at_date,
        points as measured_rows,
        {{ rounded('value') }} as measured_value
    from series
    where at_date <= (select whole_days.last_date from whole_days)
)

select * from final

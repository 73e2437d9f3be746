-- grain: one row per table or view of the latest known generation and audience that it is given to
with relations as (
    select * from {{ ref('stg_platform__relations') }}
),

node_runs as (
    select * from {{ ref('fct_platform_node_runs') }}
),

runs as (
    select * from {{ ref('fct_platform_runs') }}
),

prices as (
    select
        max(case when resource = 'compute' then price_usd end) as hour_usd,
        max(case when resource = 'storage' then price_usd end) as gigabyte_usd
    from {{ ref('platform_prices') }}
),

generations as (
    select
        *,
        max(generation_id) over () as latest_id
    from relations
),

latest as (
    select
        *,
        case when audiences = '' then 'none' else audiences end as given_to
    from generations
    where generation_id = latest_id
),

-- The period ends with the latest run, and not today: the same runs give the same rows.
period as (
    select {{ dbt.dateadd('day', -30, 'max(began_at)') }} as since_at
    from runs
),

built as (
    select
        node_runs.node_id,
        count(*) as builds,
        count(distinct cast(runs.began_at as date)) as built_days,
        sum(node_runs.seconds) as seconds
    from node_runs
    inner join runs
        on node_runs.run_id = runs.run_id
    cross join period
    where node_runs.node_action = 'built' and runs.began_at >= period.since_at
    group by node_runs.node_id
),

spread as (
    select
        node_id,
        {{ count_of_parts('given_to', ',') }} as sharers,
        {{ each_part('given_to', ',') }} as audience
    from latest
),

shared as (
    select
        latest.node_id,
        spread.audience,
        latest.relation_name,
        latest.layer,
        latest.domain,
        latest.owner,
        coalesce(built.builds, 0) as builds,
        coalesce(built.built_days, 0) as built_days,
        {{ ratio('coalesce(built.seconds, 0)', 'spread.sharers') }} as compute_seconds,
        {{ ratio('coalesce(latest.relation_bytes, 0)', 'spread.sharers') }} as storage_bytes,
        latest.reading_models,
        latest.reading_exposures,
        -- What tests and the platform itself read has no other reader.
        latest.reading_models + latest.reading_exposures = 0 and latest.layer not in ('seeds', 'observe') as is_unread
    from latest
    inner join spread
        on latest.node_id = spread.node_id
    left join built
        on latest.node_id = built.node_id
),

final as (
    select
        shared.node_id,
        shared.audience,
        shared.relation_name,
        shared.layer,
        shared.domain,
        shared.owner,
        shared.builds,
        shared.built_days,
        shared.compute_seconds,
        shared.storage_bytes,
        {{ ratio('shared.compute_seconds * prices.hour_usd', '3600') }} as compute_usd,
        {{ ratio('shared.storage_bytes * prices.gigabyte_usd', '1000000000') }} as storage_usd,
        shared.reading_models,
        shared.reading_exposures,
        shared.is_unread
    from shared
    cross join prices
)

select * from final

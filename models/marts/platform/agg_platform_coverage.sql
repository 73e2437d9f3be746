-- grain: one row per published generation, layer and domain
with relations as (
    select * from {{ ref('stg_platform__relations') }}
),

final as (
    select
        generation_id,
        layer,
        domain,
        count(*) as relation_count,
        cast(sum(column_count) as bigint) as column_count,
        cast(sum(described_columns) as bigint) as described_columns,
        cast(sum(classified_columns) as bigint) as classified_columns,
        count(owner) as owned_relations,
        count(case when has_contract then node_id end) as contracted_relations,
        count(case when test_count > 0 then node_id end) as tested_relations,
        count(case when has_tested_key then node_id end) as keyed_relations,
        cast(sum(test_count) as bigint) as test_count
    from relations
    group by generation_id, layer, domain
)

select * from final

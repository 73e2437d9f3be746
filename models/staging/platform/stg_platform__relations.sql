-- grain: one row per model or seed of a published generation, as last delivered
with relations as (
    select * from {{ source('platform', 'relations') }}
),

current_deliveries as (
    {{ current_deliveries('platform', 'relations') }}
),

current_rows as (
    select
        relations.generation_id,
        relations.relation_number,
        relations.node_id,
        relations.relation_name,
        relations.layer,
        relations.domain,
        relations.owner,
        relations.materialization,
        relations.relation_rows,
        relations.relation_bytes,
        relations.column_count,
        relations.described_columns,
        relations.classified_columns,
        relations.test_count,
        relations.has_contract,
        relations.has_tested_key,
        relations.reading_models,
        relations.reading_exposures,
        relations.audiences,
        relations._source_file as source_file,
        relations._dlt_load_id as load_id,
        row_number() over (
            partition by relations.generation_id, relations.relation_number
            order by relations._dlt_load_id desc, relations._source_file asc
        ) as place
    from relations
    left join current_deliveries
        on relations._source_file = current_deliveries.place
    where relations._dlt_load_id >= coalesce(current_deliveries._dlt_load_id, '')
),

-- A file may have been copied under another name.
final as (
    select
        generation_id,
        relation_number,
        node_id,
        relation_name,
        layer,
        domain,
        owner,
        materialization,
        relation_rows,
        relation_bytes,
        column_count,
        described_columns,
        classified_columns,
        test_count,
        has_contract,
        has_tested_key,
        reading_models,
        reading_exposures,
        audiences,
        source_file,
        load_id
    from current_rows
    where place = 1
)

select * from final

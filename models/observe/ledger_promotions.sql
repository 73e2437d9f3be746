-- grain: one row per week of promotions
with accounts as (
    select
        *,
        null as load_id
    from (
        {{ files_that_count(
            'promotions',
            'placements',
            day=retail_week_start("cast(regexp_extract(deliveries.place, 'week=([0-9]+)', 1) as integer)")
        ) }}
    ) as current_files
),

placements as (
    select * from {{ source('promotions', 'placements') }}
),

staged_placements as (
    select * from {{ ref('stg_promotions__placements') }}
),

promotions as (
    select * from {{ ref('fct_promotions') }}
),

-- Every placement, three times: what a store's rows of a week have in common is not multiplied for each of them.
lake_files as (
    select
        _source_file,
        _dlt_load_id,
        week as week_number,
        store_id,
        count(*) as placed_rows,
        sum({{ key_number(['product_id']) }}) as product_sum
    from placements
    group by _source_file, _dlt_load_id, week, store_id
),

lake as (
    select *
    from lake_files
    where (_source_file, _dlt_load_id) in (
        select
            accounts.place,
            accounts._dlt_load_id
        from accounts
    )
),

staging as (
    select
        week_number,
        store_id,
        count(*) as placed_rows,
        sum({{ key_number(['product_id']) }}) as product_sum
    from staged_placements
    group by week_number, store_id
),

mart as (
    select
        week_number,
        store_id,
        sum(placements) as placed_rows,
        sum(placements * {{ key_number(['product_id']) }}) as product_sum
    from promotions
    group by week_number, store_id
),

entries as (
    {{ ledger_accounts('accounts') }}
    {% for stage in ['lake', 'staging', 'mart'] %}
        union all
        select
            'promotions' as source_system,
            'placements' as table_name,
            '{{ stage }}' as stage,
            {{ retail_week_start('week_number') }} as business_date,
            null as load_id,
            sum(placed_rows) as entry_rows,
            sum(product_sum * {{ key_number(['store_id', 'week_number']) }}) as key_sum,
            null as money_usd
        from {{ stage }}
        group by week_number
    {% endfor %}
),

totals as (
    {{ ledger_totals('entries') }}
),

final as (
    select
        source_system,
        table_name,
        period,
        business_date,
        delivered_rows,
        quarantined_rows,
        erased_rows,
        {% for stage in ['loaded', 'lake', 'staging'] %}
            {{ stage }}_rows,
            {{ stage }}_key_sum,
        {% endfor %}
        mart_rows,
        mart_key_sum
    from totals
)

select * from final

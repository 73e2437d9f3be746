-- grain: one row per source, table and business day, or per load where records are of no day
{% set records = [
    ('merchandising', 'products', 'product_id', 'product_id'),
    ('merchandising', 'stores', 'store_id', 'store_id'),
    ('loyalty', 'households', 'household_id', 'household_id'),
    ('loyalty', 'demographics', 'household_id', 'household_id'),
    ('campaigns', 'campaigns', 'campaign_id', 'campaign_id'),
    ('campaigns', 'campaign_households', 'id', 'campaign_household_id'),
    ('campaigns', 'coupons', 'id', 'coupon_id'),
    ('campaigns', 'coupon_redemptions', 'id', 'redemption_id'),
] %}

with deliveries as (
    select * from {{ source('lake', 'deliveries') }}
),

till_lines as (
    select * from {{ source('pos', 'transactions') }}
),

-- By the receipt number that the till delivered: a basket has another one where the till has used it before.
staged_lines as (
    select
        receipt_number as basket_id,
        product_id,
        store_id,
        till_business_date,
        sales_usd,
        is_in_file,
        source_file
    from {{ ref('stg_pos__transactions') }}
),

basket_lines as (
    select
        receipt_number as basket_id,
        product_id,
        business_date,
        sales_usd + gift_card_usd as received_usd,
        is_settled
    from {{ ref('fct_basket_lines') }}
),

stream_lines as (
    select * from {{ source('pos_stream', 'transactions') }}
),

-- All placements are counted when a plan has come, and not with every day of the tills.
promotions as (
    select * from {{ ref('ledger_promotions') }}
),

current_files as (
    {{ files_that_count('pos', 'transactions') }}
),

accounts as (
    select
        source,
        table_name,
        day,
        null as load_id,
        delivered,
        quarantined,
        erased,
        loaded,
        key_sum,
        money_usd
    from current_files
    union all
    select
        source,
        table_name,
        business_date as day,
        case when source <> 'pos_stream' then _dlt_load_id end as load_id,
        delivered,
        quarantined,
        coalesce(erased, 0) as erased,
        loaded,
        key_sum,
        money_usd
    from deliveries
    where source not in ('pos', 'promotions', 'platform')
),

-- A line that was delivered again in a file of another name is there, in its later version.
lake_lines as (
    select
        till_lines.*,
        staged_lines.source_file <> till_lines._source_file as is_superseded
    from till_lines
    left join staged_lines
        on
            till_lines.basket_id = staged_lines.basket_id
            and till_lines.product_id = staged_lines.product_id
            and till_lines.store_id = staged_lines.store_id
            and till_lines.business_date = staged_lines.till_business_date
            and staged_lines.is_in_file
    where (till_lines._source_file, till_lines._dlt_load_id) in (
        select
            current_files.place,
            current_files._dlt_load_id
        from current_files
    )
),

-- A line that its file has settled since is there: what the till sent as an event, the file has as well.
lake_events as (
    select
        stream_lines.*,
        (stream_lines.basket_id, stream_lines.product_id) in (
            select
                staged_lines.basket_id,
                staged_lines.product_id
            from staged_lines
        ) as is_staged,
        (stream_lines.basket_id, stream_lines.product_id) in (
            select
                basket_lines.basket_id,
                basket_lines.product_id
            from basket_lines
        ) as is_in_mart
    from stream_lines
),

{% for system, table, key, staged_key in records %}
    {{ system }}_{{ table }} as (
        select
            delivered.{{ key }},
            delivered._dlt_load_id,
            staged.{{ staged_key }} is not null as is_staged
        from {{ source(system, table) }} as delivered
        left join {{ ref('stg_' ~ system ~ '__' ~ table) }} as staged
            on delivered.{{ key }} = staged.{{ staged_key }}
    ),
{% endfor %}

-- Each stage enters what it has. A day that one of them does not know will show as a difference.
entries as (
    {{ ledger_accounts('accounts') }}
    {% for account, stage, relation, day, money, where in [
        ('pos', 'lake', 'lake_lines', 'business_date', 'sales_value', 'true'),
        ('pos', 'staging', 'lake_lines', 'business_date', 'sales_value', 'is_superseded'),
        ('pos', 'staging', 'staged_lines', 'till_business_date', 'sales_usd', 'is_in_file'),
        ('pos', 'mart', 'lake_lines', 'business_date', 'sales_value', 'is_superseded'),
        ('pos', 'mart', 'basket_lines', 'business_date', 'received_usd', 'is_settled'),
        ('pos_stream', 'lake', 'lake_events', 'business_date', 'sales_value', 'true'),
        ('pos_stream', 'staging', 'lake_events', 'business_date', 'sales_value', 'is_staged'),
        ('pos_stream', 'mart', 'lake_events', 'business_date', 'sales_value', 'is_in_mart'),
    ] %}
        {% set key = ['basket_id', 'product_id'] %}
        union all
        {{ ledger_stage(account ~ '.transactions', stage, relation, key, day, money=money, where=where) }}
    {% endfor %}
    {% for system, table, key, _ in records %}
        {% for stage, where in [('lake', 'true'), ('staging', 'is_staged')] %}
            {% set relation = system ~ '_' ~ table %}
            union all
            {{ ledger_stage(system ~ '.' ~ table, stage, relation, [key], load='_dlt_load_id', where=where) }}
        {% endfor %}
    {% endfor %}
),

totals as (
    {{ ledger_totals('entries') }}
    union all
    select
        source_system,
        table_name,
        period,
        business_date,
        null as load_id,
        delivered_rows,
        quarantined_rows,
        erased_rows,
        {% for stage in ['loaded', 'lake', 'staging', 'mart'] %}
            {{ stage }}_rows,
        {% endfor %}
        {% for stage in ['loaded', 'lake', 'staging'] %}
            {{ stage }}_key_sum,
            0 as {{ stage }}_usd,
        {% endfor %}
        mart_key_sum,
        0 as mart_usd
    from promotions
),

judged_totals as (
    select
        *,
        source_system in ('pos', 'pos_stream', 'promotions') as has_mart,
        source_system in ('pos', 'pos_stream') as has_money
    from totals
),

differences as (
    select
        *,
        case
            when delivered_rows <> loaded_rows + quarantined_rows + erased_rows
                then concat(
                    delivered_rows,
                    ' delivered, ',
                    loaded_rows,
                    ' loaded, ',
                    quarantined_rows,
                    ' quarantined, ',
                    erased_rows,
                    ' erased'
                )
            {% for stage, where in [('lake', 'in the lake'), ('staging', 'in staging'), ('mart', 'in the mart')] %}
                when {{ 'has_mart and ' if stage == 'mart' }}loaded_rows <> {{ stage }}_rows
                    then concat(loaded_rows, ' loaded, ', {{ stage }}_rows, ' {{ where }}')
                when {{ 'has_mart and ' if stage == 'mart' }}loaded_key_sum <> {{ stage }}_key_sum
                    then concat(loaded_rows, ' loaded, other keys {{ where }}')
                when {{ 'has_mart and ' if stage == 'mart' }}loaded_usd <> {{ stage }}_usd
                    then concat('USD ', loaded_usd, ' loaded, ', {{ stage }}_usd, ' {{ where }}')
            {% endfor %}
        end as difference
    from judged_totals
),

final as (
    select
        source_system,
        table_name,
        period,
        business_date,
        load_id,
        cast(delivered_rows as bigint) as delivered_rows,
        cast(quarantined_rows as bigint) as quarantined_rows,
        cast(erased_rows as bigint) as erased_rows,
        {% for stage in ['loaded', 'lake', 'staging', 'mart'] %}
            {% set open, close = ('case when has_mart then ', ' end') if stage == 'mart' else ('', '') %}
            {{ open }}cast({{ stage }}_rows as bigint){{ close }} as {{ stage }}_rows,
            {{ open }}cast({{ stage }}_key_sum as decimal(38, 0)){{ close }} as {{ stage }}_key_sum,
            case when has_money then cast({{ stage }}_usd as decimal(18, 2)) end as {{ stage }}_usd,
        {% endfor %}
        difference is null as is_accounted_for,
        case
            when difference is not null
                then concat(
                    source_system,
                    '.',
                    table_name,
                    case when business_date is null then ', load ' else ', day ' end,
                    period,
                    ': ',
                    difference
                )
        end as missing
    from differences
)

select * from final

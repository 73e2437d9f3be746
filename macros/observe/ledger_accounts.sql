{#
  The counts that ingestion records of deliveries, as entries of the ledger: rows delivered, quarantined, erased and loaded.
  accounts: a CTE of source, table_name, day, load_id, delivered, quarantined, erased, loaded, key_sum and money_usd.
#}
{% macro ledger_accounts(accounts) %}
    {% for stage in ['delivered', 'quarantined', 'erased', 'loaded'] %}
        select
            source as source_system,
            table_name,
            '{{ stage }}' as stage,
            day as business_date,
            load_id,
            {{ stage }} as entry_rows,
            {{ 'key_sum' if stage == 'loaded' else 'null as key_sum' }},
            {{ 'money_usd' if stage == 'loaded' else 'null as money_usd' }}
        from {{ accounts }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
{% endmacro %}

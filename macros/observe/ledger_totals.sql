{#
  Entries of the ledger added up: one row per source, table and business day or load, the stages side by side.
  entries: a CTE of source_system, table_name, stage, business_date, load_id, entry_rows, key_sum and money_usd. A day that one
  stage does not know has 0 there, and will show as a difference.
#}
{% macro ledger_totals(entries) %}
    select
        source_system,
        table_name,
        coalesce(cast(business_date as string), load_id, 'no day') as period,
        business_date,
        load_id,
        {% for stage in ['delivered', 'quarantined', 'erased', 'loaded', 'lake', 'staging', 'mart'] %}
            cast(coalesce(sum(case when stage = '{{ stage }}' then entry_rows end), 0) as bigint) as {{ stage }}_rows,
        {% endfor %}
        {% for stage in ['loaded', 'lake', 'staging', 'mart'] %}
            cast(coalesce(sum(case when stage = '{{ stage }}' then key_sum end), 0) as decimal(38, 0)) as {{ stage }}_key_sum,
            cast(coalesce(sum(case when stage = '{{ stage }}' then money_usd end), 0) as decimal(18, 2)) as {{ stage }}_usd
            {{- ',' if not loop.last }}
        {% endfor %}
    from {{ entries }}
    group by source_system, table_name, business_date, load_id
{% endmacro %}

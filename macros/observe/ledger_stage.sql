{#
  The content of one stage of a table, added up by business day or by load: rows, key checksum and money.
  account: source and table, as 'pos.transactions'
  stage: how far the rows have got
  relation: a CTE of the ledger
  key: columns of the key
  day, load: expressions that rows are added up by; one of them
  rows: expression for how often a row counts
  money: expression in US dollars, where the table has any
  where: which of the rows
#}
{% macro ledger_stage(account, stage, relation, key, day='null', load='null', rows='1', money='null', where='true') %}
    select
        '{{ account.split('.')[0] }}' as source_system,
        '{{ account.split('.')[1] }}' as table_name,
        '{{ stage }}' as stage,
        cast({{ day }} as date) as business_date,
        cast({{ load }} as string) as load_id,
        sum({{ rows }}) as entry_rows,
        sum({{ rows }} * {{ key_number(key) }}) as key_sum,
        sum(cast({{ money }} as decimal(18, 2))) as money_usd
    from {{ relation }}
    where {{ where }}
    group by {{ load if day == 'null' else day }}
{% endmacro %}

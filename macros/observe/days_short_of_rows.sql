{#
  The business days of which rows or files are in quarantine, were discarded, or erased: the marts lack rows that the source counts, the
  ledger has how many, and the source's totals for such a day cannot be compared with them. A week of promotions has its
  Monday as its day; it is read from its own part of the ledger, so that a test on promotions alone does not run with every
  day of the tills.
    system, table: a raw table whose rows are of a day
#}
{% macro days_short_of_rows(system, table) %}
    select business_date
    from {{ ref('ledger_promotions') if system == 'promotions' else ref('ledger') }}
    where source_system = '{{ system }}' and table_name = '{{ table }}' and (quarantined_rows > 0 or erased_rows > 0)
    union all
    select
        {% if system == 'promotions' %}
            {{ retail_week_start("cast(regexp_extract(place, 'week=([0-9]+)', 1) as integer)") }} as business_date
        {% else %}
            max(business_date) as business_date
        {% endif %}
    from {{ source('lake', 'deliveries') }}
    where source = '{{ system }}' and table_name = '{{ table }}'
    group by place
    having min(cast(is_unreadable as integer)) = 1
{% endmacro %}

{#
  The records of a raw table by the store-local days on which their source wrote them (`updated_date`), each as of the
  end of that day. Each load brings what the source shows at that time. A later load replaces what earlier loads brought from
  its own earliest day on: the source's latest version counts, and its days only go forward. A source may write any time; a
  history begins before all of its days, and ends after them (see version_columns).
    system, table: the raw table
    key: the column that identifies a record
#}
{% macro records_by_day(system, table, key) %}
    with dated as (
        select
            *,
            greatest(
                least({{ store_local_date('updated_at') }}, cast('9999-12-30' as date)), cast('1900-01-02' as date)
            ) as updated_date
        from {{ source(system, table) }}
    ),

    versions as (
        select
            *,
            min(updated_date) over (
                partition by {{ key }}
                order by _dlt_load_id desc, updated_at desc
                rows between unbounded preceding and 1 preceding
            ) as replaced_from_date
        from dated
    )

    select *
    from versions
    where replaced_from_date is null or updated_date < replaced_from_date
{% endmacro %}

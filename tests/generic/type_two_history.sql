{#
  The versions of each key follow each other without overlap or gap, are numbered in their order, and exactly one is current:
  the last, which has no end. Returns the keys that break it.
  arguments: key, the column that names what has the history.
#}
{% test type_two_history(model, key) %}
    with versions as (
        select
            *,
            row_number() over (partition by {{ key }} order by valid_from_date, valid_to_date) as place,
            count(*) over (partition by {{ key }}) as versions,
            sum(case when is_current then 1 else 0 end) over (partition by {{ key }}) as current_versions,
            lag(valid_to_date) over (partition by {{ key }} order by valid_from_date, valid_to_date) as previous_to_date
        from {{ model }}
    )

    select *
    from versions
    where not coalesce(
        current_versions = 1
        and is_current = (place = versions)
        and is_current = (valid_to_date = cast('9999-12-31' as date))
        and version_number = place
        and valid_from_date <= valid_to_date
        and case
            when place = 1 then valid_from_date = cast('1900-01-01' as date)
            else {{ dbt.datediff('previous_to_date', 'valid_from_date', 'day') }} = 1
        end,
        false
    )
{% endtest %}

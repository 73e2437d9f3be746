{#
  The as-of dates that this model does not hold, as a subquery: new ones, and those that `forget_changed_dates` has just
  deleted. Only for an incremental run, as `unbuilt_loads`.
  dates: the relation that has one row per as-of date.
#}
{% macro unbuilt_dates(dates) -%}
    (
        select dates.before_date
        from {{ dates }} as dates
        left join observe.built_dates as built
            on
                built.model = '{{ this.identifier }}'
                and dates.before_date = built.before_date
        where built.before_date is null
    )
{%- endmacro %}

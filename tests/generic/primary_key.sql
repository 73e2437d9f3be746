{#
  No part of the key is null and no key comes twice, in one scan. Returns the broken keys, worst first.
  arguments: columns, the columns that make the key.
  For a model too large to be grouped once more: counted_in, a model that has grouped the rows by some of the key (counted_by)
  and has how many rows each group had (counted_as). Only a group of several rows can violate the key, so
  the others are skipped. That model must reject nulls.
  in_parts_by: a column of the key that is the retailer's week: a large model is grouped some weeks at a time, with the same
  outcome and in half the time.
#}
{% test primary_key(model, columns, counted_in=none, counted_by=[], counted_as=none, in_parts_by=none) %}
    {% set parts = week_parts(in_parts_by, weeks=2) if in_parts_by else [''] %}
    with keyed as (
        select * from {{ model }}
    ),

    {% if counted_in %}
        counted as (
            select * from {{ counted_in }}
        ),

        suspects as (
            select keyed.*
            from keyed
            inner join counted
                on
                    counted.{{ counted_as }} > 1
                    {% for column in counted_by %}
                        and keyed.{{ column }} = counted.{{ column }}
                    {% endfor %}
        ),
    {% endif %}

    final as (
        {% for part in parts %}
            select
                {{ columns | join(', ') }},
                count(*) as rows_with_key
            from {{ 'suspects' if counted_in else (model if in_parts_by else 'keyed') }}
            {{ 'where ' ~ part if part }}
            group by {{ columns | join(', ') }}
            having
                count(*) > 1
                {% for column in columns %}
                    or {{ column }} is null
                {% endfor %}
            {{ 'union all' if not loop.last }}
        {% endfor %}
    )

    select * from final
    order by rows_with_key desc
{% endtest %}

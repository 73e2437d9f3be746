{#
  No part of the key is null and no key comes twice, in one scan. Returns the broken keys, worst first.
  arguments: columns, the columns that make the key.
  For a model too large to be grouped once more: counted_in, a model that has grouped the rows by some of the key (counted_by)
  and says how many rows each group had (counted_as). Only a group of several rows can break the key, so the others are
  left out. That model must not let a null pass.
#}
{% test primary_key(model, columns, counted_in=none, counted_by=[], counted_as=none) %}
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
        select
            {{ columns | join(', ') }},
            count(*) as rows_with_key
        from {{ 'suspects' if counted_in else 'keyed' }}
        group by {{ columns | join(', ') }}
        having
            count(*) > 1
            {% for column in columns %}
                or {{ column }} is null
            {% endfor %}
    )

    select * from final
    order by rows_with_key desc
{% endtest %}

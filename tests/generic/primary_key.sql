{#
  No part of the key is null and no key comes twice, in one scan. Returns the broken keys, worst first.
  arguments: columns, the columns that make the key.
#}
{% test primary_key(model, columns) %}
    {{ config(meta={'kind': 'primary_key'}) }}

    select
        {{ columns | join(', ') }},
        count(*) as rows_with_key
    from {{ model }}
    group by {{ columns | join(', ') }}
    having
        count(*) > 1
        {% for column in columns %}
            or {{ column }} is null
        {% endfor %}
    order by rows_with_key desc
{% endtest %}

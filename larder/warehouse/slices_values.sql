{% import "slices_parts.sql" as parts %}
select {% for of, place, name in dimensions %}{{ ", " if not loop.first }}approx_count_distinct({{ of }}.{{ name | name }}) as x{{ place }}{% endfor %}

from {{ after }} as t
{{ parts.joined(lookups) }}

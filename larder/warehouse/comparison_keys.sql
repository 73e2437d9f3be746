{% if key %}
select
    coalesce(sum(n), 0)::bigint as rows,
    coalesce(sum(n) filter (n > 1), 0)::bigint as repeated,
    coalesce(sum(n) filter ({% for one in key %}{{ " or " if not loop.first }}k{{ loop.index0 }} is null{% endfor %}), 0)::bigint as nulls
from (
    select {% for one in key %}{{ one }} as k{{ loop.index0 }}, {% endfor %}count(*) as n
    from {{ table }}
    group by all
)
{% else %}
select count(*) as rows, 0 as repeated, 0 as nulls from {{ table }}
{% endif %}

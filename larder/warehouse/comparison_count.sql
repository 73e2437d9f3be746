{% if by_key %}
select
    count(*) filter (change = 'added') as added,
    count(*) filter (change = 'removed') as removed,
    count(*) filter (change = 'changed') as changed
    {% for one in others %}, count(*) filter (d{{ loop.index0 }}) as d{{ loop.index0 }}{% endfor %}

from differing
{% else %}
select
    coalesce(sum(n) filter (n > 0), 0)::bigint as added,
    coalesce(-sum(n) filter (n < 0), 0)::bigint as removed,
    0 as changed
    {% for one in others %}
    , (select coalesce(sum(abs(n)), 0)::bigint // 2 from (select sum(n) as n from differing group by c{{ loop.index0 }})) as d{{ loop.index0 }}
    {% endfor %}

from differing
{% endif %}

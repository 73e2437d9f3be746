-- One row per row that was added, removed or changed: its key as k0, k1, …, and whether each other column differs as d0, d1, …
{% macro side(table, which) %}
(
    select
        true as is_there
        {% for one in key %}, {{ one[which] }} as k{{ loop.index0 }}{% endfor %}
        {% for one in others %}, {{ one[which] }} as c{{ loop.index0 }}{% endfor %}

    from {{ table }}
)
{% endmacro %}
create or replace temp table differing as
select
    case when b.is_there is null then 'added' when a.is_there is null then 'removed' else 'changed' end::enum ('added', 'removed', 'changed') as change
    {% for one in key %}, coalesce(a.k{{ loop.index0 }}, b.k{{ loop.index0 }}) as k{{ loop.index0 }}{% endfor %}
    {% for one in others %}, b.is_there and a.is_there and a.c{{ loop.index0 }} is distinct from b.c{{ loop.index0 }} as d{{ loop.index0 }}{% endfor %}

from {{ side(before, "before") }} as b
full join {{ side(after, "after") }} as a
    on {% for one in key %}{{ " and " if not loop.first }}a.k{{ loop.index0 }} is not distinct from b.k{{ loop.index0 }}{% endfor %}

where
    a.is_there is null
    or b.is_there is null
    {% for one in others %}
    or a.c{{ loop.index0 }} is distinct from b.c{{ loop.index0 }}
    {% endfor %}

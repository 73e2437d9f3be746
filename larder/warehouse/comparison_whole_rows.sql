-- One row per row of which there are more or fewer: its columns as c0, c1, …, and how many more, as n.
create or replace temp table differing as
select *
from (
    select {% for one in others %}c{{ loop.index0 }}, {% endfor %}sum(n)::bigint as n
    from (
        select {% for one in others %}{{ one.before }} as c{{ loop.index0 }}, {% endfor %}-1 as n from {{ before }}
        union all
        select {% for one in others %}{{ one.after }} as c{{ loop.index0 }}, {% endfor %}1 as n from {{ after }}
    )
    group by all
)
where n <> 0

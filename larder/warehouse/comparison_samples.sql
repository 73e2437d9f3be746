-- Some keys of each kind of difference, the first ones, by the columns of the key that may be shown.
select distinct
    change::varchar as change,
    concat_ws(', ', {% for place, name in key %}{{ ", " if not loop.first }}{{ (name ~ " ") | literal }} || coalesce(k{{ place }}::varchar, 'null'){% endfor %}) as key
from differing
qualify dense_rank() over (partition by change order by {% for place, _ in key %}{{ ", " if not loop.first }}k{{ place }}{% endfor %}) <= {{ most }}
order by all

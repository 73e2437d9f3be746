-- Slices by one condition, within `where`, that cover enough of what differs. Every row of the new table counts, each differing one
-- again as a hit, and what was removed.
{% import "slices_parts.sql" as parts %}
with "row" as (
    select {{ parts.shown(dimensions) }} 0 as hit, 1 as total
    from {{ after }} as t
    {{ parts.joined(lookups) }}
    {% if key %}
    union all
    select {{ parts.shown(dimensions) }} 1 as hit, 0 as total
    from {{ after }} as t
    inner join differing on differing.change <> 'removed' and {{ parts.on_key(key) }}
    {{ parts.joined(lookups) }}
    union all
    select {{ parts.shown(dimensions) }} 1 as hit, 1 as total
    from {{ before }} as t
    inner join differing on differing.change = 'removed' and {{ parts.on_key(key) }}
    {{ parts.joined(lookups) }}
    {% else %}
    union all
    select {{ parts.shown(dimensions) }} abs(t.n) as hit, if(t.n < 0, -t.n, 0) as total
    from (select {% for one in columns %}c{{ loop.index0 }} as {{ one | name }}, {% endfor %}n from differing) as t
    {{ parts.joined(lookups) }}
    {% endif %}
),

"value" as (
    select
        case {% for place in tried %}when grouping(x{{ place }}) = 0 then {{ place }} {% endfor %}end as dimension,
        case {% for place in tried %}when grouping(x{{ place }}) = 0 then x{{ place }}::varchar {% endfor %}end as value,
        sum(hit)::bigint as hits,
        sum(total)::bigint as total
    from "row"
    where {{ where }}
    group by grouping sets ({% for place in tried %}{{ ", " if not loop.first }}(x{{ place }}){% endfor %})
),

written as (
    select
        *,
        case dimension {% for _, place, name in dimensions %}when {{ place }} then {{ name | literal }} {% endfor %}end as name,
        try_cast(value as double) as number,
        '''' || replace(value, '''', '''''') || '''' as text,
        if(number is null and value not in ('true', 'false'), text, value) as shown
    from "value"
),

-- The values with the most hits, one after the other.
several as (
    select
        dimension,
        sum(hits) over most as hits,
        sum(total) over most as total,
        0.25 * (row_number() over most - 1) as cost,
        case
            when row_number() over most = 1 then name || coalesce(' = ' || shown, ' is null')
            else name || ' in (' || array_to_string(list(coalesce(shown, 'null')) over most, ', ') || ')'
        end as said,
        'coalesce(x' || dimension || '::varchar, ''(null)'') in ('
        || array_to_string(list(coalesce(text, '''(null)''')) over most, ', ') || ')' as condition
    from written
    window most as (partition by dimension order by hits desc, total, value rows unbounded preceding)
    qualify row_number() over most <= 4
),

-- From the first to the last value with a hit, of dates and numbers.
ordered as (
    select
        *,
        row_number() over (partition by dimension order by number, value) as place
    from written
    where value is not null and (number is not null or try_cast(value as timestamp) is not null)
),

span as (
    select
        dimension,
        min(place) as first_place,
        max(place) as last_place
    from ordered
    where hits > 0
    group by dimension
),

within as (
    select
        dimension,
        sum(hits) as hits,
        sum(total) as total,
        1.0 as cost,
        any_value(name) || ' from ' || arg_min(shown, place) || ' to ' || arg_max(shown, place) as said,
        if(
            bool_and(number is not null),  -- a number may be written in a text
            'try_cast(x' || dimension || '::varchar as double) between ' || min(number) || ' and ' || max(number),
            'x' || dimension || ' between ' || arg_min(text, place) || ' and ' || arg_max(text, place)
        ) as condition
    from ordered
    inner join span using (dimension)
    where place between first_place and last_place and first_place < last_place
    group by dimension
),

scored as (
    select
        dimension,
        {{ said | literal }} || said as said,
        condition,
        hits::bigint as hits,
        total::bigint as total,
        round(hits / {{ differing }} * log2((hits / {{ differing }}) / (greatest(total, 1) / {{ total }})) - cost - {{ paid }}, 6) as score
    from (from several union all by name from within)
)

from scored
where hits >= {{ covers }} * {{ differing }} and score >= 1
order by score desc, said
limit 12

-- How the values of columns lie, a row per column and side. Of those that may not be shown only nulls and how many differ.
{% set further = namespace(is_one=false) %}
{% for column in columns %}
{% for side, table, is_there in [("before", before, column.before), ("after", after, column.after)] if is_there %}
{{ "union all by name" if further.is_one }}
{% set further.is_one = true %}
select
    {{ column.column_name | literal }} as "column",
    {{ side | literal }} as side,
    count(*) as rows,
    count(*) - count(v) as nulls,
    approx_count_distinct(v) as "distinct"
    {% if column.is_shown and column.is_ordered %}
    , left(min(v)::varchar, 40) as lowest
    , left(max(v)::varchar, 40) as highest
    {% endif %}
    {% if column.is_shown and column.is_number %}
    , avg(v::double) filter (isfinite(v::double)) as mean
    , quantile_cont(v::double, 0.05) filter (isfinite(v::double)) as low
    , quantile_cont(v::double, 0.5) filter (isfinite(v::double)) as median
    , quantile_cont(v::double, 0.95) filter (isfinite(v::double)) as high
    {% endif %}

from (select {{ column.column_name | name }} as v from {{ table }})
{% endfor %}
{% endfor %}

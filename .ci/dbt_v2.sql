-- grain: one line per kind of message of dbt's v2 engine, after one line that says how far it came. An error if there is more than
-- dbt-v2.csv allows, or if the engine did not come to its end.
create temp table messages as
select
    parse_filename(filename, true) as verb,
    json_extract_string(line, '$.info.level') as level,
    coalesce(json_extract_string(line, '$.data.msg'), '') || ' ' || json_extract_string(line, '$.info.msg') as message
from read_csv(
    getvariable('room') || '/*.ndjson', columns = {'line': 'json'}, delim = chr(1), quote = '', header = false, filename = true
);

create temp table found as
select
    verb,
    level,
    regexp_extract(message, '\[(\w+) \(dbt\d+\)\]', 1) as kind,
    count(*) as times,
    min(regexp_extract(message, '\)\]: ([^\n]*)', 1)) as example
from messages
where level in ('warn', 'error') and message like '%(dbt%'
group by verb, level, kind;

select 'v2 ' || verb || ': ' || regexp_extract(message, 'Finished ''\w+'' ([^\n\[]*)', 1)
from messages
where message like '%Finished ''%for target%'
group by all
order by all;

select '- ' || verb || ', ' || level || ' ' || kind || ': ' || times || ', for instance: ' || example
from found
order by all;

select if(count(*) = 0, error('the v2 engine did not finish: see ' || getvariable('room')), 'compiled: ' || max(regexp_extract(message, 'Summary: ([^\n]*)', 1)))
from messages
where verb = 'compile' and message like '%Finished ''compile''%';

select if(count(*) = 0, 'not more than .ci/dbt-v2.csv says', error('more than .ci/dbt-v2.csv says: ' || string_agg(verb || ' ' || kind, ', ')))
from found left join read_csv('.ci/dbt-v2.csv', types = {'most': 'bigint'}) as allowed using (verb, level, kind)
where times > coalesce(most, 0);

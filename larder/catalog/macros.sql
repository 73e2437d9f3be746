-- How the other files read a node or an entry, whose body is JSON.

create macro said(body, path) as nullif(body ->> path, '');
create macro names(body, path) as coalesce(from_json(body -> path, '["varchar"]'), []);

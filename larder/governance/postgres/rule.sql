-- A row rule of the audience, on one table. A restrictive policy only takes away from one that allows, and holds for everybody.

alter table {table} enable row level security;
drop policy if exists {rule} on {table};
drop policy if exists all_rows on {table};
create policy all_rows on {table} for select to {role} using (true);
create policy {rule} on {table} as restrictive for select to public using ({listed});

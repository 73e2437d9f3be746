-- An audience's role, made where it is missing, and brought back to what it may be.

do $$
declare
    other regrole;
begin
    if not exists (select from pg_roles where rolname = {name}) then
        create role {role};
        comment on role {role} is {mark};
        if not (select rolsuper from pg_roles where rolname = current_user) then
            grant {role} to current_user;
        end if;
    end if;
    if (select rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls from pg_roles where rolname = {name}) then
        alter role {role} nosuperuser nocreatedb nocreaterole noreplication nobypassrls;
    end if;
    for other in select roleid from pg_auth_members where member = {name}::regrole loop
        execute format('revoke %s from %I', other, {name});
    end loop;
end $$;
alter role {role} login connection limit 8 password {verifier};
alter role {role} reset all;

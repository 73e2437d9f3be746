-- A schema of the share: the audience's role reads its tables, and nobody else.

revoke all on schema {schema} from public, {role};
revoke all on all tables in schema {schema} from public, {role};
grant usage on schema {schema} to {role};
grant select on all tables in schema {schema} to {role};

-- An audience's database. Its settings are not the role's, so that every login that somebody gives the role to has them. A session may set
-- others for itself: what it may read does not depend on them.

alter role {role} in database {role} reset all;
revoke all on database {role} from public;
grant connect on database {role} to {role};
alter database {role} set search_path = pg_catalog, marts, observe;
alter database {role} set statement_timeout = '60s';
alter database {role} set idle_in_transaction_session_timeout = '60s';
alter database {role} set default_transaction_read_only = on;

-- In the database of an audience, as its server's superuser: what PostgreSQL lets everybody do and no reader needs. `larder serve postgres`
-- runs it where it may.

revoke all on schema public from public;
revoke usage on language plpgsql from public;
revoke execute on function lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) from public;

-- What is done in the databases of others: how many rows they have, who is there, what they ask. Who loads has to end readers' sessions.
revoke select on pg_db_role_setting from public;
revoke execute on function
    pg_stat_get_activity(integer), pg_lock_status(), pg_prepared_xact(),
    pg_stat_get_db_tuples_inserted(oid), pg_stat_get_db_tuples_updated(oid), pg_stat_get_db_tuples_deleted(oid),
    pg_stat_get_db_tuples_returned(oid), pg_stat_get_db_tuples_fetched(oid),
    pg_stat_get_db_blocks_fetched(oid), pg_stat_get_db_blocks_hit(oid),
    pg_stat_get_db_xact_commit(oid), pg_stat_get_db_xact_rollback(oid),
    pg_stat_get_db_temp_files(oid), pg_stat_get_db_temp_bytes(oid)
from public;
grant execute on function pg_stat_get_activity(integer) to pg_database_owner;

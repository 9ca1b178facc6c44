-- purpose: Which server this is a copy of, which database was asked, and whether it is a standby.
SELECT system_identifier, current_database() AS database, pg_is_in_recovery() AS is_standby FROM pg_control_system()

-- purpose: The database that the session is in.
SELECT current_database()

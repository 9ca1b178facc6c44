-- purpose: Pages that the sessions of this database have asked for so far, found in the buffer pool or not.
SELECT blks_hit + blks_read
  FROM pg_stat_database
 WHERE datname = current_database()

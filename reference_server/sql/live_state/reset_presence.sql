-- purpose: Everyone is offline and counted from the start, as for a server that starts; when they were last seen stays.
UPDATE user_presence
   SET status = 'offline', version = 0
 WHERE status <> 'offline' OR version <> 0

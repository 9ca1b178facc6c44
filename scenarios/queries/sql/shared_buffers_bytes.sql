-- purpose: How much the server keeps of its tables and indexes in memory of its own.
SELECT pg_size_bytes(current_setting('shared_buffers'))

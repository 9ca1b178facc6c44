-- purpose: Who has read a message, from one row per message and reader.
-- question: receipts
-- setup: receipt_rows_setup.sql
-- parameters: conversation_id uuid, receipt_seq bigint
SELECT user_id
  FROM laboratory_receipts
 WHERE conversation_id = $1 AND seq = $2

-- purpose: Nobody is typing, as for a server that starts.
DELETE FROM typing_indicators

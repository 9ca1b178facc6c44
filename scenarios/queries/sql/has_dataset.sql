-- purpose: Whether chatbench made this database and loaded a data set into it.
SELECT to_regclass('chatbench.dataset') IS NOT NULL

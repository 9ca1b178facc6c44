-- purpose: Ends a pass of the backfill: complete when nothing is left, from the beginning otherwise; gives the phase.
-- writes: yes, in the function
SELECT chatbench.finish_backfill() AS phase

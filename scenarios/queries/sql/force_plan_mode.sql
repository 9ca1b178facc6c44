-- purpose: Prepared statements are planned one way for the rest of the transaction: custom or generic.
-- parameters: plan_mode text
SELECT set_config('plan_cache_mode', format('force_%s_plan', $1::text), true)

-- purpose: Makes the connection act as one user: auth.uid() and with it every policy read these claims.
-- parameters: claims text
SELECT set_config('request.jwt.claims', $1, false)

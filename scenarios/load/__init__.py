"""Load scenarios, one Locust file per question; each also runs under plain `locust -f`."""

"""Cards through Stripe: its hosted Checkout by redirect, its signed events, and a sweep of both."""

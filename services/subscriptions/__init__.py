"""Event subscriptions: labour bureaus get what they are granted, in order, once in effect, provably (services/subscriptions/README.md)."""

"""Asking through providers' batch APIs: drafted, recorded, submitted, fetched, each request in one batch at most."""

"""Django's PostgreSQL backend, with a pool that is well again the moment the database is."""

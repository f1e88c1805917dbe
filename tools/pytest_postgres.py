"""A plugin of pytest that starts PostgreSQL before the settings ask for it (`-p`, in pytest.ini)."""

from tools.development import start_postgres

start_postgres()

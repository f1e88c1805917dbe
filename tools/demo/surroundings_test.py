import socket

from tools.demo.surroundings import HOST, child_environment, find_free_port


def test_a_taken_port_is_passed_over():
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]

        assert find_free_port(port) > port


def test_the_callers_settings_reach_no_program(monkeypatch):
    monkeypatch.setenv("OPENEDX_SERVICE_WORKER_API_TOKEN", "a real one")
    monkeypatch.setenv("DATABASE_URL", "postgres://a-real-one/")

    environment = child_environment("postgres://demo/", "http://openedx/")

    assert "OPENEDX_SERVICE_WORKER_API_TOKEN" not in environment
    assert environment["DATABASE_URL"] == "postgres://demo/"

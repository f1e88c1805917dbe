# The image of every program of the site: the web server by default, the others by `command`
# (compose.yaml). docs/deployment.md says how it is built, run and replaced.
#
# Pinned by tags, which their owner moves on for security fixes. Who wants the same bytes each time
# adds the digest that `docker buildx imagetools inspect` shows.

FROM python:3.11-slim-bookworm AS builder
RUN python -m venv --without-pip /venv
COPY requirements/base.txt /tmp/base.txt
# The file is complete; asked for dependencies again, pip may want a newer one for an extra. Wheels
# only: nothing is compiled, so no compiler is needed.
RUN python -m pip --disable-pip-version-check --no-cache-dir --python /venv/bin/python \
      install --no-deps --require-hashes --only-binary :all: --requirement /tmp/base.txt \
    && python -m pip --disable-pip-version-check --python /venv/bin/python check

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number that is nobody's on the machine outside. What it may write is the folder of the metrics
# (METRICS_DIR), which the programs share.
RUN groupadd --gid 10001 mitxonline \
    && useradd --uid 10001 --gid mitxonline --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin mitxonline \
    && install --directory --owner mitxonline --group mitxonline /var/lib/mitxonline/metrics
WORKDIR /app
COPY --from=builder /venv /venv
# The product and nothing else; .dockerignore leaves out the tests and what they share.
COPY manage.py ./
COPY cms cms/
COPY courses courses/
COPY main main/
COPY openedx openedx/
COPY openedx_certificates openedx_certificates/
COPY users users/
# The settings want all of production's; these go nowhere.
RUN SECRET_KEY=none DATABASE_URL=postgres://nobody@localhost/none ALLOWED_HOSTS=localhost \
    OPENEDX_API_BASE_URL=https://localhost OPENEDX_SERVICE_WORKER_API_TOKEN=none \
    python manage.py collectstatic --noinput \
    && python -m compileall -q /app
USER 10001:10001
EXPOSE 8013
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8013/healthz/live', timeout=4)"]
CMD ["granian", "--interface", "wsgi", "main.wsgi:application", "--workers", "2", "--blocking-threads", "256", "--workers-kill-timeout", "30", "--respawn-failed-workers", "--host", "0.0.0.0", "--port", "8013"]

# Toril: one image for web, workers and mirror. docs/deploy.md
#
#   docker build -t toril .
#   docker run -p 8000:8000 -e REDIS_URL=redis://… -e DATABASE_URL=postgres://… -e SECRET_KEY=… toril
#
# It runs as nobody in particular, on a root file system that may be read-only: only VAR_DIR, /tmp and what
# processors write (/app/docs in docker-compose.yml) are written to.

# Of 3.11 to 3.14, the one that the tests run on.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS build
WORKDIR /app
# pip stays behind, in this stage.
RUN python -m venv --without-pip /opt/toril
COPY requirements.txt ./
# Tests that packages carry are a tenth of the whole.
RUN python -m pip --disable-pip-version-check --python /opt/toril/bin/python install --no-cache-dir --no-compile -r requirements.txt \
    && find /opt/toril/lib/python*/site-packages/twisted /opt/toril/lib/python*/site-packages/autobahn /opt/toril/lib/python*/site-packages/zope \
        -type d \( -name test -o -name tests \) -prune -exec rm -r {} +
COPY . ./
# Compiled and compressed once, not at each start.
RUN SECRET_KEY=collect VAR_DIR=/tmp/var STATIC_ROOT=/app/staticfiles /opt/toril/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && /opt/toril/bin/python -m whitenoise.compress --quiet --no-brotli staticfiles \
    && /opt/toril/bin/python -m compileall -q -j 0 /opt/toril/lib /app \
    && mkdir /app/var /app/docs

FROM python:${PYTHON}-slim-bookworm
ENV PATH=/opt/toril/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8000 \
    STATIC_ROOT=/app/staticfiles \
    VAR_DIR=/app/var \
    LOG_FORMAT=json
WORKDIR /app
COPY --from=build /opt/toril /opt/toril
COPY --from=build /app /app
# A volume that is mounted here for the first time takes its owner from it.
COPY --from=build --chown=10001:10001 /app/var /app/var
COPY --from=build --chown=10001:10001 /app/docs /app/docs
USER 10001:10001
VOLUME /app/var
EXPOSE 8000
STOPSIGNAL SIGTERM
# Of the web; workers and the mirror name their own port (docker-compose.yml).
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["python", "deploy/docker/alive.py"]
CMD ["sh", "-c", "exec python -m daphne -v 0 -b \"$HOST\" -p \"$PORT\" --ping-interval 5 --ping-timeout 10 dashboard.asgi:application"]

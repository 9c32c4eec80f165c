# The whole fleet in one container: docker run --env-file .env -p 3000:3000 IMAGE
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1

WORKDIR /app
COPY requirements.txt ./
RUN pip install --requirement requirements.txt \
    && useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin fleet \
    && chown fleet /app

COPY config config
COPY common common
COPY workers workers
COPY supervisord.conf ./

USER fleet
EXPOSE 3000

# The orchestrator restarts what does not turn; whether data flows is /health's to say.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('HEALTH_PORT', '3000') + '/livez', timeout=4)"]

STOPSIGNAL SIGTERM
CMD ["supervisord", "-c", "supervisord.conf"]

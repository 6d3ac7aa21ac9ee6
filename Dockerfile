FROM python:3.13-slim

# Where pip looks, for machines that reach the index through something of their own; pip ignores empty ones.
ARG PIP_INDEX_URL=
ARG PIP_EXTRA_INDEX_URL=
ARG PIP_TRUSTED_HOST=

ENV PYTHONUNBUFFERED=1 \
    PATH=/venv/bin:$PATH

RUN useradd --system --uid 10001 --create-home app \
 && python3 -m venv /venv \
 && pip install --no-cache-dir --quiet --upgrade "pip>=25.1"

WORKDIR /app
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY publisher publisher
COPY consumers consumers
RUN pip install --no-cache-dir --quiet --editable ".[postgres]" --group demo

COPY manage.py ./
COPY project project
RUN python -m compileall -q publisher consumers project \
 && python manage.py collectstatic --no-input --verbosity 0

USER app
EXPOSE 8000
CMD ["gunicorn", "project.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4"]

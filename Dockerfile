# The sidecar, with PostgreSQL's driver: docker build -t tollkeeper .
FROM python:3.13-slim
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
ARG EXTRAS=sidecar,reports,postgres,redis
RUN pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]" \
 && useradd --system --create-home --home-dir /data tollkeeper
USER tollkeeper
WORKDIR /data
ENV TOLLKEEPER_HOST=0.0.0.0 TOLLKEEPER_LEDGER=sqlite:////data/tollkeeper.db
EXPOSE 4317 4318
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:4318/api/v1/health', timeout=2)"]
ENTRYPOINT ["tollkeeper"]
CMD ["serve"]

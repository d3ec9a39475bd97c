#!/bin/sh
# Writes .env with passwords that nobody has chosen, beside the compose file. One that is there already stays.
set -eu
cd "$(dirname "$0")/.."
umask 077
touch .env
for name in POSTGRES_PASSWORD REDIS_PASSWORD GRAFANA_PASSWORD; do
  grep -q "^$name=" .env || printf '%s=%s\n' "$name" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" >> .env
done
echo "The passwords are in .env. Grafana's user is admin."

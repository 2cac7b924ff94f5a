#!/bin/sh
# Make what deploy/secrets has to hold for the profiles `scaled` and `scaled-cpu` of
# docker-compose.yml; leave alone what is there. The folder is closed to others; the files are
# readable, because each is mounted into containers whose users are not this one.
set -eu
folder=$(dirname "$0")/secrets
mkdir -p "$folder"
chmod 0700 "$folder"

keep() {
    [ -e "$folder/$1" ] || printf '%s\n' "$2" > "$folder/$1"
    chmod 0644 "$folder/$1"
}

draw() {
    od -A n -t x1 -N 32 /dev/urandom | tr -d ' \n'
}

keep postgres_password "$(draw)"
keep database_url "postgresql+psycopg://cimiento:$(cat "$folder/postgres_password")@postgres/cimiento"
keep worker_key "$(draw)"
keep grafana_password "$(draw)"
# the service makes this one: docs/how-to/docker.md says how
[ -e "$folder/metrics_key" ] || : > "$folder/metrics_key"
chmod 0644 "$folder/metrics_key"

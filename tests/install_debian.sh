#!/bin/sh
# Installs packages of Debian's that the tests run: install_debian.sh NAME …, as root.
#
# Only their programs are wanted. No service is started, now or when the machine starts again, and
# PostgreSQL makes no database.
set -e

policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.d
made=""

enabled() {
  systemctl --root=/ list-unit-files --state=enabled --no-legend 2>/dev/null | cut -d ' ' -f 1 | sort
}

tidy_up() {
  rm -f "$clusters/carnet-tests.conf" "$before"
  rmdir "$clusters" 2>/dev/null || true
  [ -z "$made" ] || rm -f "$policy"
}

before=$(mktemp)
trap tidy_up EXIT
trap 'exit 1' HUP INT TERM

enabled >"$before"
# What an administrator has said about services stays as it is.
if [ ! -e "$policy" ]; then
  made=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
mkdir -p "$clusters"
echo "create_main_cluster = off" >"$clusters/carnet-tests.conf"

apt-get update -qq
known=""
for name in "$@"; do
  # One that a release has not yet, or no longer, is no reason to go without the others.
  if apt-cache show "$name" >/dev/null 2>&1; then
    known="$known $name"
  fi
done
# shellcheck disable=SC2086 # names of packages have no spaces
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $known

enabled | comm -13 "$before" - | while read -r unit; do
  systemctl --root=/ disable --quiet "$unit" || true
done

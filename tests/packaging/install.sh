#!/bin/bash
# Installs the package into the system that it runs in, uses it, removes it, purges it. Changes the system: for one that is
# thrown away. tools/try_in_chroot package makes it and runs this.
#
#   tests/packaging/install.sh FOLDER-WITH-PACKAGES

set -euo pipefail
packages=$(realpath "$1")
export DEBIAN_FRONTEND=noninteractive MILLRACE_AMQP=127.0.0.1:0 MILLRACE_HTTP=127.0.0.1:0

say() { printf '  %s\n' "$*"; }
fail() {
  echo "FAILED: $*" >&2
  exit 1
}
expect() {
  [[ $2 == "$3" ]] || fail "$1: '$2' instead of '$3'"
  say "$1: $2"
}

# start: as the unit starts it, but for systemd: its user, its command line.
start() {
  local line
  line=$(sed -n 's/^ExecStart=//p' /lib/systemd/system/millrace.service)
  : >/tmp/ready
  # shellcheck disable=SC2086 # words
  setpriv --reuid=millrace --regid=millrace --clear-groups --no-new-privs --bounding-set=-all $line >/tmp/ready 2>/tmp/log &
  pid=$!
  for _ in {1..200}; do
    grep -q '^ready ' /tmp/ready && break
    kill -0 "$pid" 2>/dev/null || fail "it ended: $(cat /tmp/log)"
    sleep 0.1
  done
  address=$(sed -nE 's/.* http=([^ ]+).*/\1/p' /tmp/ready)
  [[ -n $address ]] || fail "no ready line"
}
ask() { env -u MILLRACE_AMQP MILLRACE_HTTP="$address" millrace "$@"; }
stop() {
  local status=0
  kill "$pid"
  wait "$pid" || status=$?
  expect "ended with status" "$status" 0
}
messages() { ask queues show jobs --json | sed -nE 's/.*"messages":([0-9]+).*/\1/p'; }

apt-get -qq update
apt-get -y -qq install --no-install-recommends "$packages"/millrace_*.deb >/tmp/apt 2>&1 || fail "$(cat /tmp/apt)"
expect "version" "$(millrace --version)" "millrace $(dpkg-query -Wf '${Version}' millrace | sed 's/-[^-]*$//')"
expect "user" "$(getent passwd millrace | cut -d: -f1,6,7)" "millrace:/var/lib/millrace:/usr/sbin/nologin"
[[ $(readlink -f /usr/lib/millrace/rabbitmqctl) == /usr/bin/millrace ]] || fail "rabbitmqctl leads elsewhere"
expect "data directory" "$(stat -c '%U:%G %a' /var/lib/millrace)" "millrace:millrace 750"

start
expect "runs as" "$(stat -c %U "/proc/$pid")" millrace
ask health >/dev/null
ask queues add jobs >/dev/null
seq 3 | ask publish jobs >/dev/null
stop

# The administrator's change of the configuration outlives an upgrade, and so does what is stored.
echo 'log-level = "warning"' >>/etc/millrace/millrace.toml
dpkg -i "$packages"/millrace_*.deb >/tmp/apt 2>&1 </dev/null || fail "$(cat /tmp/apt)"
expect "configuration after an upgrade" "$(tail -n 1 /etc/millrace/millrace.toml)" 'log-level = "warning"'
start
expect "messages after an upgrade" "$(messages)" 3
stop

apt-get -y -qq remove millrace >/tmp/apt 2>&1 || fail "$(cat /tmp/apt)"
[[ ! -e /usr/bin/millrace ]] || fail "removed, and still there"
[[ -e /etc/millrace/millrace.toml && -d /var/lib/millrace/shard-0 ]] || fail "removing took configuration or data"
say "removed: configuration and data are there"
dpkg --purge millrace >/tmp/apt 2>&1 || fail "$(cat /tmp/apt)"
[[ ! -e /etc/millrace && ! -e /var/lib/millrace ]] || fail "purged, and something is left: $(ls -d /etc/millrace /var/lib/millrace)"
say "purged: configuration and data are gone"

apt-get -y -qq --simulate install --no-install-recommends "$packages"/millrace-dev_*.deb >/tmp/apt 2>&1 || fail "$(cat /tmp/apt)"
say "millrace-dev: its dependencies are in this system's archive"

#!/usr/bin/env bash
# One machine as two hosts: a master with one worker here, one worker on a "host" of its own, and a chat server between.
#
#     unshare --user --map-root-user --net --mount --kill-child bash two_hosts.sh PYTHON LOCUST_FILE FOLDER [OPTION…]
#
# The second host has its own network (a virtual cable leads here), name, boot id, CLOCK_MONOTONIC (5 000 s ahead) and
# CLOCK_REALTIME (an hour ahead, as its Python and its arrival stamps have it). The options are the master's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$1 file=$2 folder=$3
shift 3
first=10.213.7.1 second=10.213.7.2 port=5557

ip link set lo up
ip link add near type veth peer name cable
ip address add "$first/30" dev near
ip link set near up
printf '00000000-0000-4000-8000-000000000002\n' >"$folder/boot_id"
coproc server { exec "$python" "$here/../scripted/chat_server.py" '{}' "$first"; }
read -r http_port <&"${server[0]}"

second_host() {
    mount --bind "$folder/boot_id" /proc/sys/kernel/random/boot_id
    hostname second-host
    echo $$ >"$folder/second_host.pid"
    until ip link show cable >/dev/null 2>&1; do sleep 0.05; done
    ip link set lo up
    ip address add "$second/30" dev cable
    ip link set cable up
    exec "$python" "$here/shifted_locust.py" 3600 -f "$file" --worker --master-host "$first" --master-port "$port"
}
export -f second_host
export folder second first port python file here
unshare --net --mount --uts --time --monotonic 5000 --boottime 5000 --fork --kill-child bash -c second_host \
    >"$folder/second.log" 2>&1 &
until [ -s "$folder/second_host.pid" ]; do sleep 0.05; done
ip link set cable netns "$(cat "$folder/second_host.pid")"
"$python" -m locust -f "$file" --worker --master-host "$first" --master-port "$port" >"$folder/first.log" 2>&1 &
"$python" -m locust -f "$file" --headless --only-summary --master --expect-workers 2 \
    --master-bind-host "$first" --master-bind-port "$port" --host "http://$first:$http_port" --allow-remote "$@"

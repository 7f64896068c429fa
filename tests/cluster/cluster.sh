#!/usr/bin/env bash
# A real Slurm cluster on one machine, for tests; see --help.
set -euo pipefail

usage() {
  cat <<TEXT
usage: tests/cluster/cluster.sh up [--nodes N]
       tests/cluster/cluster.sh run COMMAND [ARGUMENT]...
       tests/cluster/cluster.sh status
       tests/cluster/cluster.sh kill|cut|fill|wipe NODE
       tests/cluster/cluster.sh slow NODE RATE
       tests/cluster/cluster.sh break NODE eio|enospc [FOLDER]
       tests/cluster/cluster.sh mend NODE
       tests/cluster/cluster.sh stop-controller|restart-controller
       tests/cluster/cluster.sh down

Starts slurmctld and N slurmd (2) on this machine, each in a network namespace of its own. The controller's namespace
holds a bridge that joins them; no interface, address or process appears outside these namespaces. Nodes are called
n1 … nN, the controller ctl. All of them see this machine's files; \$SLURM_TMPDIR is local to a node.

  up      starts the cluster and waits until its nodes are idle; a running one of that size is left alone
  run     runs COMMAND on the controller: sbatch, srun, squeue, scontrol …; its exit code is passed on
  status  shows the nodes; exit code 1 when the cluster is not up
  kill    takes a node away: its link is down, its processes and its scratch are gone, as after a loss of power
  cut     only its link is down: what runs there runs on
  slow    its link carries no more than RATE (as tc takes it: 1mbit), both ways
  fill    writes its scratch full
  wipe    empties its scratch, as a disk that was exchanged
  break   from now on writing in FOLDER (its scratch) fails on this node: an input/output error, or no space
  mend    undoes all of these; a node that was taken away comes back with an empty scratch
  stop-controller, restart-controller  kills slurmctld; the same, and starts it again
  down    ends every process of the cluster, also of one that came up by halves, and removes what it left

  TERRAMILL_CLUSTER  the cluster's name (terramill); several can stand at once

Its configuration, logs and node-local folders are in \${TMPDIR:-/tmp}/<name>-cluster. Needs root, Slurm, munge,
iproute2, procps and util-linux; \`break\` also /dev/fuse and faulty_disk, which a build makes where libfuse 3 is.

Jobs of the partition urgent preempt those of the partition main, which are asked to end and requeued after 60 seconds.
TEXT
}

name=${TERRAMILL_CLUSTER:-terramill}
state=${TMPDIR:-/tmp}/$name-cluster
network=10.77.0  # inside the namespaces only
control=$name-ctl
# The nodes share this machine's cores, and jobs run as root.
mpi=(OMP_NUM_THREADS=1 OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
     OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1)

say() { echo "cluster: $*"; }
fail() { echo "cluster: $*" >&2; exit 1; }
namespaces() { ip netns list | awk '{ print $1 }' | grep -xE "$name-(ctl|n[0-9]+)" || true; }

need_tools() {
  [[ $(id -u) == 0 ]] || fail "needs root, to make network namespaces"
  local tool
  PATH=$PATH:/usr/sbin:/sbin
  for tool in ip tc ps nsenter unshare munged slurmctld slurmd sbatch; do
    command -v "$tool" >/dev/null || fail "$tool is missing; jobs/setup.sh installs it"
  done
}

# Runs in a namespace of the network: enter HOST COMMAND…, with a mount and a host name namespace of its own. What is
# mounted there stays there, while later mounts of the machine are seen there too.
enter() {
  local host=$1
  shift
  # Not `ip netns exec`, which hides the cgroup file system.
  nsenter --net="/run/netns/$name-$host" -- unshare --mount --uts --propagation slave -- \
    bash -c 'hostname "$1"; mount --bind "$2/hosts" /etc/hosts; mount -t tmpfs -o mode=1777,size=256m tmpfs "$2/local"
             mount -t tmpfs -o mode=1777,size=1g tmpfs /dev/shm; mount -t tmpfs tmpfs "$2/pmix"; shift 2; exec "$@"' "$host" "$host" "$state" "$@"
}

write_configuration() {
  local nodes=$1 memory index
  memory=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
  mkdir -p "$state"/{log,munge,control,spool,local,pmix}
  chmod 755 "$state/munge"
  (umask 077 && head -c 1024 /dev/urandom >"$state/munge/key")

  {
    echo "127.0.0.1 localhost"
    echo "$network.254 ctl"
    for ((index = 1; index <= nodes; ++index)); do echo "$network.$index n$index"; done
  } >"$state/hosts"
  echo "PMIxCliTmpDirBase=$state/pmix" >"$state/mpi.conf"
  cat >"$state/slurm.conf" <<TEXT
ClusterName=$name
SlurmctldHost=ctl($network.254)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$state/munge/socket
CredType=cred/munge
StateSaveLocation=$state/control
SlurmctldPidFile=$state/control/slurmctld.pid
SlurmctldLogFile=$state/log/slurmctld.log
SlurmdSpoolDir=$state/spool/%n
SlurmdPidFile=$state/spool/%n.pid
SlurmdLogFile=$state/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=pmix
MailProg=/bin/true
ReturnToService=2
SlurmdTimeout=20
SlurmdParameters=config_overrides
KillWait=5
# More processors than there are, so that many ranks fit on a node.
NodeName=n[1-$nodes] CPUs=16 RealMemory=$memory State=UNKNOWN
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=60
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
TEXT
}

make_network() {
  local nodes=$1 index
  ip netns add "$control"
  ip -n "$control" link set lo up
  ip -n "$control" link add bridge type bridge
  ip -n "$control" addr add "$network.254/24" dev bridge
  ip -n "$control" link set bridge up
  for ((index = 1; index <= nodes; ++index)); do
    ip netns add "$name-n$index"
    ip -n "$name-n$index" link set lo up
    ip -n "$control" link add "port$index" type veth peer name eth0 netns "$name-n$index"
    ip -n "$control" link set "port$index" master bridge up
    ip -n "$name-n$index" addr add "$network.$index/24" dev eth0
    ip -n "$name-n$index" link set eth0 up
  done
}

# Daemons keep no descriptor of the caller: who waits for the end of its output must not wait for them.
start() {  # start HOST LOG COMMAND…
  local host=$1 log=$2
  shift 2
  (enter "$host" "$@") </dev/null >"$state/log/$log" 2>&1 9>&- &
  disown
}

start_daemons() {
  local nodes=$1 index
  # As root, and by force: neither another user nor munged's own check gets into a private temporary folder.
  start ctl munged.out munged --foreground --force --num-threads=2 \
    --key-file="$state/munge/key" --socket="$state/munge/socket" --pid-file="$state/munge/pid" \
    --log-file="$state/munge/log" --seed-file="$state/munge/seed"
  wait_until "munged answers" munge --no-input --socket="$state/munge/socket" --output=/dev/null
  start ctl slurmctld.out slurmctld -D -f "$state/slurm.conf"
  for ((index = 1; index <= nodes; ++index)); do start_node "n$index"; done
}

start_node() {
  mkdir -p "$state/spool/$1"
  start "$1" "$1.out" slurmd -D -N "$1" -f "$state/slurm.conf"
}

wait_until() {  # wait_until WHAT COMMAND…: polls for a minute
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until ("$@") >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      tail -n 20 "$state"/log/* "$state"/munge/log >&2 2>/dev/null || true
      fail "waited a minute until $what; the logs are above"
    fi
    sleep 0.1
  done
}

# A process of the controller whose namespaces `run` can enter.
controller() { cat "$state/control/slurmctld.pid" 2>/dev/null; }

on_controller() {
  local pid
  pid=$(controller) || true
  [[ -n $pid ]] && [[ -e /proc/$pid/ns/net ]] || fail "the cluster \"$name\" is not up; $0 up starts it"
  nsenter --target "$pid" --net --mount --uts --wd="$PWD" -- \
    env -u OMPI_MCA_mca_base_param_files SLURM_CONF="$state/slurm.conf" SLURM_TMPDIR="$state/local" "${mpi[@]}" "$@"
}

idle_nodes() { on_controller sinfo --noheader --Node --format '%N %T' 2>/dev/null | awk '$2 == "idle"' | sort -u | wc -l; }
all_idle() { (($(idle_nodes) == $1)); }

up() {
  local nodes=2
  while (($#)); do
    case $1 in
      --nodes) nodes=${2:?--nodes needs a number}; shift 2 ;;
      *) echo "cluster: unknown option \"$1\"; see --help" >&2; exit 2 ;;
    esac
  done
  [[ $nodes =~ ^[1-9][0-9]?$ ]] || { echo "cluster: --nodes takes 1 to 99" >&2; exit 2; }
  need_tools
  if [[ $(namespaces | wc -l) == $((nodes + 1)) ]] && (all_idle "$nodes") 2>/dev/null; then
    say "\"$name\" is up already: $nodes nodes"
    return
  fi
  take_down
  trap 'code=$?; ((code == 0)) || take_down; exit "$code"' EXIT
  trap 'exit 130' INT TERM HUP
  write_configuration "$nodes"
  make_network "$nodes"
  start_daemons "$nodes"
  wait_until "slurmctld answers" on_controller scontrol ping
  wait_until "$nodes nodes are idle" all_idle "$nodes"
  trap - EXIT INT TERM HUP
  say "\"$name\" is up: $nodes nodes; $0 run sbatch …"
}

# ---- Faults ---------------------------------------------------------------------------------------------------------

need_node() {
  need_tools
  namespaces | grep -qx "$name-${1:?name a node: n1, n2, …}" || fail "the cluster \"$name\" has no node $1"
}

link() { ip -n "$control" link set "port${1#n}" "$2"; }
daemon_of() { grep -xf <(ip netns pids "$name-$1") "$state/spool/$1.pid" 2>/dev/null; }

# Runs a command where the node's jobs run: on_node NODE COMMAND…
on_node() {
  local node=$1 pid
  shift
  pid=$(daemon_of "$node") || fail "$node is not up"
  nsenter --target "$pid" --net --mount --uts -- "$@"
}

kill_node() {
  link "$1" down
  local pids
  while pids=$(ip netns pids "$name-$1") && [[ -n $pids ]]; do
    # shellcheck disable=SC2086
    kill -KILL $pids 2>/dev/null || true
    sleep 0.05
  done
  # They would be in the way of a step with the same number, once the job is requeued.
  rm -rf "$state/spool/$1"/{stepd.slurm.pmix.*,pmix.*}
}

slow_node() {
  local shape=(root tbf rate "$2" burst 32kbit latency 400ms)
  tc -n "$control" qdisc replace dev "port${1#n}" "${shape[@]}"
  tc -n "$name-$1" qdisc replace dev eth0 "${shape[@]}"
}

break_disk() {
  local node=$1 error=$2 folder=${3:-$state/local} program
  [[ $error =~ ^(eio|enospc)$ ]] || fail "break takes eio or enospc, not \"$error\""
  program=$(command -v faulty_disk || echo "${TERRAMILL_BIN_DIR:-}/faulty_disk")
  [[ -x $program && -e /dev/fuse ]] || fail "break needs /dev/fuse and the program faulty_disk, which a build makes where libfuse 3 is"
  (on_node "$node" "$program" "$error" "$folder") </dev/null >"$state/log/$node-disk.out" 2>&1 9>&- &
  disown
  wait_until "writing in $folder fails on $node" is_broken "$node" "$folder"
}
is_broken() { on_node "$1" grep -q " $2 fuse" /proc/self/mounts; }

mend_node() {
  local node=$1 pid
  for pid in $(ip netns pids "$name-$node"); do
    if [[ $(ps -o comm= -p "$pid") == faulty_disk ]]; then
      kill -TERM "$pid"
      wait_until "the disk of $node is mended" is_gone "$pid"
    fi
  done
  tc -n "$control" qdisc delete dev "port${node#n}" root 2>/dev/null || true
  tc -n "$name-$node" qdisc delete dev eth0 root 2>/dev/null || true
  link "$node" up
  if daemon_of "$node" >/dev/null; then
    on_node "$node" rm -f "$state/local/.filled"
    # Slurm takes back by itself only a node whose slurmd was started anew.
    answers "$node" || on_controller scontrol update NodeName="$node" State=RESUME 2>/dev/null || true
  else
    start_node "$node"
  fi
  wait_until "$node answers" answers "$node"
}
is_gone() { ! kill -0 "$1"; }
answers() { on_controller scontrol show node "$1" | grep State= | grep -qvE 'DOWN|NOT_RESPONDING|UNKNOWN'; }

stop_controller() {
  local pid
  pid=$(controller) || return 0
  kill -KILL "$pid" 2>/dev/null || true
  wait_until "slurmctld is gone" is_gone "$pid"
}

restart_controller() {
  stop_controller
  start ctl slurmctld.out slurmctld -D -f "$state/slurm.conf"
  wait_until "slurmctld answers" on_controller scontrol ping
}

# All that the cluster runs, and all that its jobs started, lives in its network namespaces.
take_down() {
  local namespace attempt pids
  for attempt in TERM KILL KILL KILL; do
    pids=$(for namespace in $(namespaces); do ip netns pids "$namespace"; done)
    [[ -n $pids ]] || break
    # shellcheck disable=SC2086
    kill -"$attempt" $pids 2>/dev/null || true
    for _ in {1..30}; do
      # shellcheck disable=SC2086
      kill -0 $pids 2>/dev/null || break
      sleep 0.1
    done
  done
  for namespace in $(namespaces); do ip netns delete "$namespace"; done
  rm -rf --one-file-system "$state"
}

case ${1:-} in
  up) shift; up "$@" ;;
  down) need_tools; take_down; say "\"$name\" is down" ;;
  run) shift; (($#)) || { echo "cluster: run needs a command; see --help" >&2; exit 2; }; need_tools; on_controller "$@" ;;
  kill) need_node "${2:-}"; kill_node "$2"; say "$2 is gone" ;;
  cut) need_node "${2:-}"; link "$2" down; say "the link of $2 is down" ;;
  slow) need_node "${2:-}"; slow_node "$2" "${3:?slow needs a rate, e.g. 1mbit}"; say "the link of $2 carries $3" ;;
  fill) need_node "${2:-}"; on_node "$2" dd if=/dev/zero of="$state/local/.filled" bs=1M status=none 2>/dev/null || say "the scratch of $2 is full" ;;
  wipe) need_node "${2:-}"; on_node "$2" find "$state/local" -mindepth 1 -delete; say "the scratch of $2 is empty" ;;
  break) need_node "${2:-}"; break_disk "$2" "${3:?break needs eio or enospc}" "${4:-}"; say "writing fails on $2: $3" ;;
  mend) need_node "${2:-}"; mend_node "$2"; say "$2 is mended" ;;
  stop-controller) need_tools; stop_controller; say "slurmctld is gone" ;;
  restart-controller) need_tools; restart_controller; say "slurmctld was restarted" ;;
  status) need_tools; on_controller sinfo --Node --long ;;
  --help | -h) usage ;;
  *) usage >&2; exit 2 ;;
esac

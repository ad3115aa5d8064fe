# shellcheck shell=bash
# Sourced by scripts/demo and scripts/test: sets up .venv, and keeps this run apart from other ROS 2 programs.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE # left by a Python with the ROS wheels; here it would keep ours from finding them
"$root/scripts/setup"

export PYOPENGL_PLATFORM=${PYOPENGL_PLATFORM:-egl} MPLBACKEND=${MPLBACKEND:-Agg}
export ROS_AUTOMATIC_DISCOVERY_RANGE=${ROS_AUTOMATIC_DISCOVERY_RANGE:-LOCALHOST}
export ROS_LOG_DIR=${ROS_LOG_DIR:-$root/.venv/log}

# A domain that no other run has: it is ours for as long as we, or what we become by exec, hold its lock file open.
if [[ -z ${ROS_DOMAIN_ID:-} ]]; then
    for ((i = 0; i < 100; i++)); do
        domain=$((($$ + i) % 100 + 1))
        if { exec {domain_lock}>>"${TMPDIR:-/tmp}/ros-domain-$domain.lock"; } 2>/dev/null; then
            if flock --nonblock "$domain_lock"; then
                export ROS_DOMAIN_ID=$domain
                break
            fi
            exec {domain_lock}>&-
        fi
    done
fi

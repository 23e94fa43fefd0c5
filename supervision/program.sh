#!/bin/sh
# Becomes one of supervisord's programs, as leader of its process group:
#
#   sh program.sh NAME COMMAND [ARGUMENT...]
set -u

name=$1
shift
pid_file=$SUPERVISION_DIR/$name.pid

# A leader that was killed alone leaves children behind; they would keep the GPU's memory or the port from the new one.
# As long as one of them lives, the kernel gives the number of their group to nobody else.
if read -r predecessor 2>/dev/null <"$pid_file"; then
    kill -s KILL -- "-$predecessor" 2>/dev/null
fi

# The watchdog writes its note first and reads the pid then; in this order one of the two sees the other.
echo $$ >"$pid_file"
if [ -e "$SUPERVISION_DIR/$name.given-up" ]; then
    exit 78
fi
exec "$@"

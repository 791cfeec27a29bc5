#!/usr/bin/env bash
# The job of run.sh between two arrays: it does the global step that is next, and submits an array and itself behind it if that
# says "ranks". If it is requeued between the two, it submits another array, whose ranks find most of their work done.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/submit.sh"

mapfile -t flags < <(limits "$MEM_ALL")
state=$("$CURATE" "$@" --finish "${flags[@]}")
case $state in
done) ;;
ranks)
	mapfile -t flags < <(limits "$MEM")
	array=$(submit ranks "$RANKS" '' "$MEM" "$CURATE" "$@" --world-size "$RANKS" "${flags[@]}")
	finish=$(submit finish '' "$array" "$MEM_ALL" "$here/finish.sh" "$@")
	printf 'ranks %s\nfinish %s\n' "$array" "$finish" >&2
	;;
*)
	printf "finish.sh: curate --finish wrote '%s', and neither ranks nor done\n" "$state" >&2
	exit 1
	;;
esac

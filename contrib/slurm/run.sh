#!/usr/bin/env bash
# Any command that ranks can share, or a recipe, by Slurm: an array of ranks, then one job for the global step, which submits the
# next array as long as there is work for ranks.
#
#   RANKS=64 contrib/slurm/run.sh run /shared/recipe.yaml
#   RANKS=64 contrib/slurm/run.sh filter --profile fineweb -o /shared/clean /shared/raw/*.jsonl.zst
#
# The arguments are a command of curate without --rank, --world-size and --finish. Paths are absolute, or in a folder that all nodes
# see, in which this is called. The parameters are in submit.sh.
#
# Submitted again it goes on where it was. When the last job has ended with success, everything is done.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/submit.sh"

[ $# -gt 0 ] || die "no command: such as run.sh run /shared/recipe.yaml"
for argument; do
	case $argument in
	--rank | --rank=* | --world-size | --world-size=* | --finish) die "$argument is given to curate by this script; leave it out" ;;
	esac
done
printf 'finish %s\n' "$(submit finish '' '' "$MEM_ALL" "$here/finish.sh" "$@")"

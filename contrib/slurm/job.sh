#!/usr/bin/env bash
# The script that sbatch gets: its arguments are the command, which takes this shell's place, so that Slurm's signals and the
# exit code are the command's, and no argument is quoted twice.
exec "$@"

# sourced by mixtral_slurm.sh
export TP=2 PP=4
EP=8

#!/bin/bash
#SBATCH -N 16 --gpus-per-node=8
#SBATCH --ntasks-per-node=1
export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
declare -A CFG
CFG[hidden]=8192
CFG[layers]=80
MODEL_SIZE=${MODEL_SIZE:-70B}
if [[ ${MODEL_SIZE} == 7B ]]; then HIDDEN_SIZE=4096; NUM_HEAD=32; NUM_QUERY_GROUP=32; NUM_LAYERS=32; FFN_HIDDEN_SIZE=11008; NORM_EPS=1e-5;
elif [[ ${MODEL_SIZE} == 70B ]]; then HIDDEN_SIZE=${CFG[hidden]}; NUM_HEAD=64; NUM_QUERY_GROUP=8; NUM_LAYERS=${CFG[layers]}; FFN_HIDDEN_SIZE=28672; NORM_EPS=1e-5;
else echo "invalid"; exit 1; fi
TP=8; PP=4
VP_ARGS=""
if [ "$PP" -gt 1 ]; then
  VP_ARGS="--num-layers-per-virtual-pipeline-stage $((NUM_LAYERS / PP / 4))"
fi
GAS=${GAS:=32}
DP=$(( SLURM_NNODES * 8 / TP / PP ))
DP=$(expr 16 \* 8 / $TP / $PP)
CMD="torchrun --nproc_per_node 8 --nnodes \$SLURM_NNODES pretrain_gpt.py"
function args() {
  echo "--bf16"
}
ARGS="$VP_ARGS --num-layers $NUM_LAYERS --hidden-size $HIDDEN_SIZE --num-attention-heads $NUM_HEAD --ffn-hidden-size $FFN_HIDDEN_SIZE \
 --group-query-attention --num-query-groups $NUM_QUERY_GROUP --swiglu --seq-length 4096 --max-position-embeddings 4096 \
 --tensor-model-parallel-size=$TP --pipeline-model-parallel-size=$PP --sequence-parallel \
 --micro-batch-size 1 --global-batch-size $(( DP * GAS )) --bf16 --use-distributed-optimizer \
 --tokenizer-model /data/llama2/tokenizer.model --recompute-granularity selective"
for i in 1 2 3; do
  echo $i
done
srun bash -c "torchrun --nproc_per_node=8 --nnodes=\$SLURM_NNODES --node_rank=\$SLURM_NODEID pretrain_gpt.py $ARGS $@"

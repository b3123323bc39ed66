#!/bin/bash
#SBATCH --job-name=mixtral --nodes=8
#SBATCH --ntasks-per-node=8 --gres=gpu:h100:8
#SBATCH -t 4:00:00

source "$(dirname "${BASH_SOURCE[0]}")/cluster_env.sh"
: "${MBS:=1}"
SEQ_LEN=4096
TRAIN_ITERS=$(( 1000 * 1000 / 2 ))
RECOMPUTE=${RECOMPUTE:-block}

options=" \
    --use-mcore-models --disable-bias-linear \
    --seq-length ${SEQ_LEN} --max-position-embeddings 32768 \
    --num-layers 32 --hidden-size 4096 --ffn-hidden-size 14336 \
    --num-attention-heads 32 --group-query-attention --num-query-groups 8 \
    --init-method-std 0.01 --attention-dropout 0.0 --hidden-dropout=0.0 \
    --normalization RMSNorm --position-embedding-type rope --swiglu \
    --untie-embeddings-and-output-weights --no-masked-softmax-fusion \
    --num-experts 8 --moe-router-topk 2 --moe-grouped-gemm \
    --moe-router-load-balancing-type aux_loss --moe-aux-loss-coeff 1e-2 \
    --moe-token-dispatcher-type alltoall --overlap-param-gather --overlap-grad-reduce \
    --tokenizer-type Llama2Tokenizer --tokenizer-model ${TOKENIZER_MODEL} \
    --micro-batch-size ${MBS} --global-batch-size 256 --train-iters ${TRAIN_ITERS} \
    --lr 1e-4 --bf16 \
    --tensor-model-parallel-size ${TP} --pipeline-model-parallel-size ${PP} \
    --num-layers-per-virtual-pipeline-stage 4 \
    --expert-model-parallel-size ${EP} --expert-tensor-parallel-size 1 \
    --use-distributed-optimizer --sequence-parallel"

case $RECOMPUTE in
    full)
        options="$options --recompute-granularity full --recompute-method uniform --recompute-num-layers 1"
        ;;
    block | partial)
        options+=" --recompute-granularity full --recompute-method block --recompute-num-layers 3"
        ;;
    *) echo "nothing" ;;
esac

if [ -n "${WANDB_API_KEY}" ]; then
    options="$options --wandb-project mixtral"
fi

run_cmd="python -u pretrain_gpt.py ${options}"
srun -l --output=logs/%x_%j.log sh -c "${run_cmd}" 2>&1 | tee -a log.txt

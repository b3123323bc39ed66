#!/usr/bin/env bash
set -euo pipefail
MODEL=meta-llama/Llama-2-70b-hf
NUM_NODES=4
cat > ds_config.json <<JSON
{
  "bf16": {"enabled": "auto"},
  "zero_optimization": {
    "stage": 3,
    "overlap_comm": true,
    "offload_optimizer": {"device": "cpu", "pin_memory": true},
    "offload_param": {"device": "none"},
    "stage3_prefetch_bucket_size": "auto"
  },
  "gradient_accumulation_steps": "auto",
  "gradient_clipping": "auto",
  "train_batch_size": "auto",
  "train_micro_batch_size_per_gpu": "auto"
}
JSON
deepspeed --num_nodes ${NUM_NODES} --num_gpus 8 --hostfile hostfile run_clm.py \
  --model_name_or_path ${MODEL} \
  --deepspeed ds_config.json \
  --per_device_train_batch_size 2 \
  --gradient_accumulation_steps=4 \
  --bf16 True --block_size 4096 \
  --gradient_checkpointing True \
  --learning_rate 2e-5 --max_steps 1000 --output_dir out

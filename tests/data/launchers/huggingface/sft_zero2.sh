export OMP_NUM_THREADS=8
NNODES=${NNODES:-2}
GPUS=8
BS=4
torchrun --nnodes=$NNODES --nproc-per-node=$GPUS --master_port=29500 train.py \
    --model_name_or_path mistralai/Mistral-7B-v0.1 \
    --per_device_train_batch_size $BS --gradient_accumulation_steps $((64 / BS / NNODES)) \
    --bf16 True --fsdp "shard_grad_op auto_wrap" --model_max_length 2048 \
    --num_train_epochs 3 --learning_rate 2e-5

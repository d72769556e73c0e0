#!/usr/bin/env bash
# RePro with the published hyperparameters, launched with the arguments of the authors' script.
# usage: run_multinodes_repro_grpo.sh MODEL_PATH NUM_NODES GPUS_PER_NODE TP_SIZE VLLM_GPU_UTIL RUN_NAME [--key value ...]
set -euo pipefail

fail() {
  echo "run_multinodes_repro_grpo: $1" >&2
  exit 2
}

[ $# -ge 6 ] || fail "expected MODEL_PATH NUM_NODES GPUS_PER_NODE TP_SIZE VLLM_GPU_UTIL RUN_NAME, got $# arguments"
model=$1 nodes=$2 gpus=$3 tp=$4 util=$5 name=$6
shift 6

for pair in "NUM_NODES $nodes" "GPUS_PER_NODE $gpus" "TP_SIZE $tp"; do
  [[ ${pair#* } =~ ^[0-9]+$ ]] || fail "${pair% *}: expected a whole number, got ${pair#* }"
done
[[ $util =~ ^(0?\.[0-9]+|0|1|1\.0+)$ ]] || fail "VLLM_GPU_UTIL: expected a share from 0 to 1, got $util"
[ "$nodes" -eq 1 ] || fail "NUM_NODES: not yet: one process trains on one device, and $nodes nodes need distributed training"
[ "$tp" -eq 1 ] || fail "TP_SIZE: not yet: a model is held by one device, and $tp parts need tensor parallelism"
[ "$gpus" -le 1 ] || fail "GPUS_PER_NODE: not yet: a run uses one device, and $gpus need distributed training; give 1, or 0 for the CPU"

device=cpu
[ "$gpus" -eq 0 ] || device=cuda
echo "run_multinodes_repro_grpo: the engine samples by itself and plans its own memory, so VLLM_GPU_UTIL $util is not needed" >&2

cd "$(dirname "$0")/.."
exec "${BUN:-bun}" run train recipes/repro-deepscaler-1.5b.yaml \
  --model_name_or_path "$model" --run_name "$name" --device "$device" "$@"

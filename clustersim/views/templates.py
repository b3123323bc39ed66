"""Files to begin with: each runs as it is, and says beside each key what else may stand there."""

from __future__ import annotations

SCENARIO = """\
# A scenario: model, cluster, training, layout and software. Run it: clustersim run THIS_FILE
name: my scenario
model: llama-3.1-70b # `clustersim show models`; or a path to a config.json, or {extends: NAME, layers: 60}
cluster: {node: dgx-h100, nodes: 32} # `clustersim show nodes`; or {accelerator: ascend-910b, devices: 256}
training:
  sequence_length: 8192 # tokens
  global_batch: 512 # sequences an optimizer step
  tokens: 1T # of the whole run; leave it out for the step alone
  precision: bf16 # or fp8, mxfp8, nvfp4, fp16, fp32
layout: # leave all of it out, and the best layout is searched
  tensor: 8
  pipeline: 4
  virtual_stages: 2 # model chunks a device
  micro_batch: 1 # sequences
  sharding: zero1 # or none, zero2, zero3, fsdp, hybrid
  recompute: none # or selective, full, {layers: 2}
stack: megatron-core-2025 # the software: `clustersim show stacks`
# reliability: llama3-h100 # what goes wrong in a long run: `clustersim show failures`
"""
CLUSTER = """\
# A cluster of one's own: nodes of the catalog with what differs. Use it: clustersim run MODEL --cluster THIS_FILE
node:
  extends: dgx-h100 # `clustersim show nodes`
  scale_out: # between nodes, a device
    bandwidth: 200 Gb/s
    efficiency: 0.85 # share of it that collectives reach
nodes: 16
"""
CLAIM = """\
# A claim: what somebody says, and whether physics allows it. Judge it: clustersim check THIS_FILE
name: my claim
source: {text: "Half of the peak on 1,024 A100.", date: 2023-05-01, who: somebody, reliability: rumour}
given: # what the source says, as in a scenario
  model: gpt3-175b
  cluster: {node: dgx-a100-80gb, nodes: 128}
open: # what it leaves out, with the values that are granted to it
  layout: search
assert:
  - {id: utilization, metric: mfu, value: 50 %} # read as "at least"; for times and costs as "at most"
"""
SWEEP = """\
# A sweep: every combination of `points` over a scenario. Run it: clustersim sweep THIS_FILE
name: my_sweep
base: gpt3_175b_a100 # a scenario: a name, a path, or all of it
points:
  training.global_batch: [64, 128]
  layout.micro_batch: 1..2 # a list or a range: 1..8, "16..1024 x2", "0..100 step 10"
figures:
  - {x: training.global_batch, y: mfu, by: layout.micro_batch}
"""
TEMPLATES = {"scenario": SCENARIO, "cluster": CLUSTER, "claim": CLAIM, "sweep": SWEEP}


def template(kind: str) -> str:
    """The commented file of a kind. Raises KeyError for a kind that isn't known."""
    return TEMPLATES[kind]

"""Megatron-LM's arguments that describe the layout: parallel sizes, stages, sharding, overlap, recomputation.

Source: NVIDIA/Megatron-LM @d98e8a64, megatron/training/arguments.py, core/model_parallel_config.py,
core/transformer/pipeline_parallel_layer_layout.py, core/recompute.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from clustersim.errors import Problem
from clustersim.launchers.notes import Draft
from clustersim.launchers.settings import Settings

TENSOR = ("tensor_model_parallel_size", "model_parallel_size", "tensor_parallel")
PIPELINE = ("pipeline_model_parallel_size", "pipeline_parallel")
FSDP = {"optim_grads_params": "fsdp", "optim_grads": "zero2", "optim": "zero1", "no_shard": "none"}
CONTEXTS = {"p2p": "ring", "all_gather": "all-gather", "allgather": "all-gather", "a2a": "ulysses"}
CONTEXT_ALGORITHMS = {
    "megatron_cp_algo": "ring",
    "ulysses_cp_algo": "ulysses",
    "kvallgather_cp_algo": "all-gather",
}
BACKENDS = {"deepep": "deepep", "hybridep": "hybridep"}
MOST_STAGES = 4096


class MegatronLayout:
    """Reads the layout of a model with so many layers."""

    def __init__(self, settings: Settings, draft: Draft, problems: list[Problem]) -> None:
        self.settings, self.draft, self.problems = settings, draft, problems
        self.tensor = self._size("tensor", *TENSOR)
        self.pipeline = self._size("pipeline", *PIPELINE)
        self.context = self._size("context", "context_parallel_size")
        self.chunks = 1
        self.stage_layers: list[int] | None = None
        self.schedule: str | None = None  # of two chunks a device, in place of 1F1B

    def _size(self, key: str, *names: str) -> int:
        """A parallel size; 1 where none is given. One that isn't known before a run is a problem."""
        value, setting = self.settings.whole(*names), self.settings.find(*names)
        if setting is None:
            return 1
        if value is None or not 0 < value < 10**7:
            what = (
                f"{setting.unknown} isn't known before a run; --define gives it"
                if setting.unknown
                else "expected a whole number"
            )
            self.problems.append(Problem(f"{setting.name}: {what}", f"layout.{key}", setting.line))
            return 1
        self.draft.put(f"layout.{key}", value, setting)
        return value

    def read(self, layers: int, experts: bool) -> None:
        """State everything of the layout but micro-batch and replicas."""
        self._virtual_stages(layers)
        self._schedule()
        self._context()
        if experts:
            self._experts()
        self._sequence_parallel(experts)
        self._sharding()
        self._overlap(experts)
        self._recompute(layers)
        self._offload()
        if self.settings.flag("use_tp_pp_dp_mapping", False):
            self.draft.put(
                "layout.rank_order",
                "tensor-context-expert-pipeline-data",
                self.settings.find("use_tp_pp_dp_mapping"),
            )

    def _virtual_stages(self, layers: int) -> None:
        given = self.settings
        layout = given.find("pipeline_model_parallel_layout")
        if self.schedule is not None and self.pipeline > 1:
            self.chunks = 2
            self.draft.put("layout.virtual_stages", 2)
            return
        extra = [bool(given.flag(f"account_for_{name}_in_pipeline_split", False)) for name in ("embedding", "loss")]
        counted = layers + sum(extra)
        each = given.whole("num_layers_per_virtual_pipeline_stage")
        count = given.whole("num_virtual_stages_per_pipeline_rank", "virtual_pipeline_model_parallel_size")
        names = (
            "num_virtual_stages_per_pipeline_rank",
            "virtual_pipeline_model_parallel_size",
            "num_layers_per_virtual_pipeline_stage",
        )
        if layout is not None and isinstance(layout.value, (str, list)):
            text = "|".join(str(item) for item in layout.value) if isinstance(layout.value, list) else layout.value
            if (stages := stages_of(str(text))) and len(stages) % self.pipeline == 0 and sum(stages) == layers:
                self.chunks, self.stage_layers = len(stages) // self.pipeline, stages
                self.draft.put("layout.virtual_stages", self.chunks, layout)
                self.draft.put("layout.stage_layers", stages, layout)
                given.find(*names)
                return
            held = f"{sum(stages)} layers in {len(stages)} stages" if stages else "no layout"
            message = (
                f"{layout.text}: {held}, and the model has {layers} layers over {self.pipeline} stages or a multiple"
            )
            self.problems.append(Problem(message, "layout.stage_layers", layout.line))
            return
        if count and count > 1 and self.pipeline > 1:
            self.chunks = count
        elif each and self.pipeline > 1:
            first, last = self._ends()
            middle, ranks = counted, self.pipeline
            if first is not None or last is not None:
                middle -= (first or 0) + (last or 0)
                ranks -= (first is not None) + (last is not None)
            self.chunks = max(1, middle // max(ranks, 1) // each)
        if self.chunks > 1 or given.find(*names) is not None:
            setting = given.find(*names)
            why = f"{counted:,} layers / {self.pipeline} stages / {each}" if each and not count else ""
            self.draft.put("layout.virtual_stages", self.chunks, setting, why)
        self._uneven(layers, counted, extra)

    def _ends(self) -> tuple[int | None, int | None]:
        return (
            self.settings.whole("decoder_first_pipeline_num_layers"),
            self.settings.whole("decoder_last_pipeline_num_layers"),
        )

    def _uneven(self, layers: int, counted: int, extra: Sequence[bool]) -> None:
        """Layers of every stage where they aren't spread evenly."""
        first, last = self._ends()
        stages = self.pipeline * self.chunks
        if self.pipeline == 1:
            return
        if any(extra) and counted % stages == 0:
            spread = [counted // stages] * stages
            spread[0] -= extra[0]
            spread[-1] -= extra[1]
            self.stage_layers = spread
            name = "account_for_embedding_in_pipeline_split" if extra[0] else "account_for_loss_in_pipeline_split"
            self.draft.put("layout.stage_layers", spread, self.settings.find(name))
        elif first is not None or last is not None:
            rest = layers - (first or 0) - (last or 0)
            middle = self.pipeline - (first is not None) - (last is not None)
            if rest >= 0 and middle > 0 and rest % middle == 0:
                spread = [rest // middle] * middle
                spread = ([first] if first is not None else []) + spread + ([last] if last is not None else [])
                self.stage_layers = spread
                setting = self.settings.find("decoder_first_pipeline_num_layers", "decoder_last_pipeline_num_layers")
                self.draft.put("layout.stage_layers", spread, setting)

    def _schedule(self) -> None:
        schedule = "interleaved-1f1b" if self.chunks > 1 else "1f1b"
        schedule = self.schedule if self.schedule is not None and self.pipeline > 1 else schedule
        self.draft.put("layout.schedule", schedule)
        for name in ("overlap_p2p_communication", "overlap_p2p_comm", "no_overlap_p2p_communication"):
            setting = self.settings.find(name)
            if setting is not None and (setting.value is not True or name.startswith("no_")):
                self.draft.left(setting, "stages' transfers are as the stack has them (stack.blocking_transfers)")

    def _context(self) -> None:
        kind = self.settings.find("cp_comm_type")
        algorithm = self.settings.find("context_parallel_algo")
        if self.context == 1:
            return
        if algorithm is not None:
            self._kind(algorithm, CONTEXT_ALGORITHMS)
        elif kind is not None:
            self._kind(kind, CONTEXTS)
        else:
            self.draft.put("layout.context_kind", "ring", None, "Megatron's default, p2p")

    def _kind(self, setting: Any, kinds: dict[str, str]) -> None:
        values = setting.value if isinstance(setting.value, list) else [setting.value]
        found = [kinds.get(str(value)) for value in values]
        if None not in found and len(set(found)) == 1:
            self.draft.put("layout.context_kind", found[0], setting)
        else:
            self.draft.left(setting, "no such exchange is modelled; a ring is taken")
            self.draft.put(
                "layout.context_kind", "ring", None, "the exchange that was asked for has no counterpart", setting.line
            )

    def _experts(self) -> None:
        given = self.settings
        expert = self._size("expert", "expert_model_parallel_size", "expert_parallel")
        cut = given.find("expert_tensor_parallel_size")
        size = given.whole("expert_tensor_parallel_size")
        if size and cut is not None:
            self.draft.put("layout.expert_tensor", size, cut)
        elif given.flag("moe_tp_extend_ep", False):
            self.draft.put("layout.expert", expert * self.tensor, given.find("moe_tp_extend_ep"))
            self.draft.put("layout.expert_tensor", 1, given.find("moe_tp_extend_ep"))
        else:
            self.draft.put("layout.expert_tensor", self.tensor, None, "Megatron's default, as tensor")
        dispatcher = given.text("moe_token_dispatcher_type") or "allgather"
        setting = given.find("moe_token_dispatcher_type")
        setting = setting if setting is not None and not setting.unknown else None
        backend = given.text("moe_flex_dispatcher_backend") or ""
        if dispatcher == "flex" or given.flag("moe_enable_deepep", False):
            setting = given.find("moe_flex_dispatcher_backend", "moe_enable_deepep", "moe_token_dispatcher_type")
            self.draft.put("layout.dispatcher", BACKENDS.get(backend, "deepep"), setting)
        elif dispatcher in ("allgather", "alltoall"):
            why = "" if setting is not None else "Megatron's default"
            self.draft.put("layout.dispatcher", dispatcher, setting, why)
        elif setting is not None:
            self.draft.put("layout.dispatcher", "alltoall", None, f"{setting.text} is priced as alltoall", setting.line)

    def _sequence_parallel(self, experts: bool) -> None:
        asked = bool(self.settings.flag("sequence_parallel", False))
        setting = self.settings.find("sequence_parallel")
        if asked and self.tensor == 1 and setting is not None:
            self.draft.put("layout.sequence_parallel", False, setting, "Megatron switches it off at tensor 1")
        else:
            self.draft.put("layout.sequence_parallel", asked, setting)

    def _sharding(self) -> None:
        given = self.settings
        fsdp = next((name for name in ("use_megatron_fsdp", "use_custom_fsdp") if given.flag(name, False)), None)
        strategy = given.text("data_parallel_sharding_strategy")
        instances = given.whole("num_distributed_optimizer_instances")
        distributed = given.find("use_distributed_optimizer")
        if given.flag("use_torch_fsdp2", False):
            kind, setting = "fsdp", given.find("use_torch_fsdp2")
        elif fsdp is not None:
            kind, setting = FSDP.get(strategy or "optim_grads_params", "fsdp"), given.find(fsdp)
        elif given.flag("use_distributed_optimizer", False):
            kind, setting = "zero1", distributed
        else:
            kind, setting = "none", distributed
        if instances and instances > 1:
            found = given.find("num_distributed_optimizer_instances")
            assert found is not None
            if kind == "fsdp":
                kind, setting = "hybrid", found
            self.instances = instances
            self.draft.note(found.line, f"{found.text} -> groups of replicas / {instances} share states", "taken")
        else:
            self.instances = 1
        self.draft.put("layout.sharding", kind, setting, "" if setting is not None else "no flag shards anything")

    def _overlap(self, experts: bool) -> None:
        given = self.settings
        found = []
        pairs = [
            ("grad_reduce", "overlap_grad_reduce"),
            ("param_gather", "overlap_param_gather"),
            ("tensor", "tp_comm_overlap"),
        ]
        if experts:
            pairs += [("expert", "overlap_moe_expert_parallel_comm"), ("shared_expert", "moe_shared_expert_overlap")]
            pairs += [("expert", "moe_fb_overlap")]
        if self.tensor > 1:
            pairs += [
                ("tensor_fused", "use_ascend_mc2"),
                ("tensor_fused", "use_mc2"),
                ("tensor_fused", "use_ascend_coc"),
            ]
        for overlap, name in pairs:
            if given.flag(name, False):
                setting = given.find(name)
                assert setting is not None
                if overlap == "expert" and (self.chunks == 1 or self.schedule is not None):
                    self.draft.left(
                        setting, "experts' traffic hides behind another micro-batch only with virtual stages"
                    )
                    continue
                if overlap not in found:
                    found.append(overlap)
                self.draft.note(setting.line, f"{setting.text} -> layout.overlap: {overlap}", "taken")
        sharding = self.draft.parts["layout"]["sharding"]
        if sharding in ("fsdp", "hybrid"):
            found.append("fsdp")
            self.draft.note(0, "layout.overlap: fsdp: sharded parameters are gathered ahead", "assumed")
        if self.tensor > 1 and not {"tensor", "tensor_fused"} & set(found):
            found.append("tensor_backward")
            self.draft.note(
                0, "layout.overlap: tensor_backward: Megatron always reduces beside weight gradients", "assumed"
            )
        self.draft.put("layout.overlap", sorted(found))

    def _recompute(self, layers: int) -> None:
        given = self.settings
        granularity = given.text("recompute_granularity")
        setting = given.find("recompute_granularity")
        method = given.text("recompute_method", "activations_checkpoint_method")
        if granularity is None:
            for name, kind in (("recompute_activations", "selective"), ("checkpoint_activations", "full")):
                if given.flag(name, False):
                    granularity, setting = kind, given.find(name)
            if granularity is None and given.given("activations_checkpoint_method"):
                granularity, setting = "full", given.find("activations_checkpoint_method")
        number = given.whole("recompute_num_layers", "activations_checkpoint_num_layers")
        modules = given.find("recompute_modules")
        if granularity == "selective":
            self.draft.put("layout.recompute", "selective", setting)
            if modules is not None and module_names(modules.value) not in ([], ["core_attn"]):
                self.draft.left(modules, "which modules is the stack's affair (stack.selective_recompute)")
        elif granularity == "full" and method == "block" and number is not None:
            self._block(layers, number)
        elif granularity == "full":
            given.find("recompute_num_layers", "recompute_method")
            self.draft.put("layout.recompute", "full", setting)
        else:
            self.draft.put("layout.recompute", "none", setting, "no flag asks for more")
        for name in ("moe_layer_recompute",):
            if given.flag(name, False) and (part := given.find(name)) is not None:
                self.draft.left(part, "recomputation of experts alone has no field")

    def _block(self, layers: int, number: int) -> None:
        """The first `number` layers of every chunk (MindSpeed: of a device, where it says so)."""
        given = self.settings
        setting = given.find("recompute_num_layers", "activations_checkpoint_num_layers")
        stages = self.pipeline * self.chunks
        chunk = -(-layers // stages)
        if given.flag("enable_recompute_layers_per_pp_rank", False):
            held = min(number, chunk * self.chunks)
        else:
            held = min(number, chunk) * self.chunks
        if held <= 0:
            self.draft.put("layout.recompute", "none", setting)
        elif held >= chunk * self.chunks:
            self.draft.put("layout.recompute", "full", setting, "that is every layer of a stage")
        else:
            why = f"{min(number, chunk)} of every chunk of {chunk}" if self.chunks > 1 else ""
            self.draft.put("layout.recompute", {"layers": held}, setting, why)

    def _offload(self) -> None:
        given = self.settings
        for name in ("optimizer_cpu_offload", "swap_optimizer"):
            if given.flag(name, False):
                self.draft.put("layout.offload", "optimizer", given.find(name))
        if given.flag("cpu_offloading", False) and (number := given.whole("cpu_offloading_num_layers")):
            self.draft.put("layout.offload", {"layers": number}, given.find("cpu_offloading_num_layers"))


def module_names(value: Any) -> list[str]:
    """The modules of a list, however it is written."""
    text = " ".join(str(item) for item in value) if isinstance(value, list) else str(value)
    return sorted(re.findall(r"[a-z_]+[a-z0-9_]*", text.lower()))


def stages_of(text: str) -> list[int] | None:
    """Layers of every stage of a layout string such as `Et*3|(tt|)*22,t*14mL`; None where it is none.

    `E` embedding, `t` a layer, `m` a module, `L` loss, `|` the next stage; `*n` repeats what stands before it.
    """
    text = re.sub(r"[\s,'\"]", "", text)
    if not text or len(text) > 5000 or not re.fullmatch(r"[EtmLdvx|()*0-9]+", text):
        return None
    for _ in range(20):  # the innermost brackets first
        unrolled = re.sub(r"\(([^()]*)\)(?:\*(\d{1,4}))?", lambda match: match[1] * int(match[2] or 1), text)
        if len(unrolled) > 200_000:
            return None
        if unrolled == text:
            break
        text = unrolled
    text = re.sub(r"([EtmLdvx|])\*(\d{1,4})", lambda match: match[1] * min(int(match[2]), MOST_STAGES), text)
    if re.search(r"[()*0-9]", text):
        return None
    stages = [stage.count("t") for stage in text.split("|")]
    return stages if len(stages) <= MOST_STAGES else None

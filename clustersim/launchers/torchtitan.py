"""torchtitan's TOML files (2024 to v0.2.2).

Source: pytorch/torchtitan @b5bcd76c torchtitan/config/configs.py, v0.2.1 config/job_config.py, distributed/pipeline.
"""

from __future__ import annotations

import re

from clustersim.errors import InputError, Problem
from clustersim.launchers.flattened import flattened
from clustersim.launchers.megatron import AMPERE, BLACKWELL, HOPPER
from clustersim.launchers.notes import Draft
from clustersim.launchers.settings import Settings
from clustersim.launchers.shapes import loaded_model
from clustersim.launchers.source import Source
from clustersim.launchers.unmodelled import leave_rest
from clustersim.launchers.world import World, place

# A model's name and flavor as the catalog's name. Source: torchtitan's models/*/__init__.py at v0.2.1.
FLAVORS = {
    ("llama3", "8B"): "llama-3.1-8b",
    ("llama3", "70B"): "llama-3.1-70b",
    ("llama3", "405B"): "llama-3.1-405b",
    ("deepseek_v3", "671B"): "deepseek-v3",
    ("qwen3", "8B"): "qwen3-8b",
    ("qwen3", "32B"): "qwen3-32b",
    ("qwen3", "30B-A3B"): "qwen3-30b-a3b",
    ("qwen3", "235B-A22B"): "qwen3-235b-a22b",
}
SCHEDULES = {"1f1b": "1f1b", "interleaved1f1b": "interleaved-1f1b", "gpipe": "gpipe", "zbvzerobubble": "zb-v"}
NEAREST = {"dualpipev": "zb-v", "interleavedzerobubble": "interleaved-1f1b", "loopedbfs": "interleaved-1f1b"}
LOOPED = ("interleaved-1f1b", "zb-v")
COUNTED = re.compile(r"(\d[\d,]*)\s*(?:x\s*)?(?:[AHB]\d{2,3}s?\b|GPUs?\b|NVIDIA|devices)", re.IGNORECASE)


def is_torchtitan(source: Source) -> bool:
    """Whether a TOML file has torchtitan's sections."""
    table = source.table
    return source.path.suffix.lower() == ".toml" and table is not None and "model" in table and "training" in table


def read_torchtitan(source: Source, draft: Draft) -> None:
    """State the scenario of a file. Raises InputError where it names no model that is known."""
    assert source.table is not None
    settings = Settings(flattened(source.table, source.text))
    _Reader(settings, draft, source).read()
    leave_rest(settings, draft)


class _Reader:
    def __init__(self, settings: Settings, draft: Draft, source: Source) -> None:
        self.settings, self.draft, self.source = settings, draft, source
        self.layers = 0

    def read(self) -> None:
        self._model()
        tensor, pipeline = self._size("tensor"), self._size("pipeline")
        context = self._size("context")
        expert = self._size("expert")
        replicate = self._degree("data_parallel_replicate_degree") or 1
        shard = self._degree("data_parallel_shard_degree", "data_parallel_degree") or -1
        needed = tensor * pipeline * context * replicate * (shard if shard > 0 else 1)
        world = World(total=needed, source="product of its degrees") if shard > 0 else self._counted()
        devices = place(self.draft, world, self.source.hint, needed, self._usual())
        data = devices // (tensor * pipeline * context)
        shard = shard if shard > 0 else data // replicate
        self.draft.put("layout.data", data)
        self._experts(expert, tensor)
        self._pipeline(pipeline)
        self.draft.put("layout.sequence_parallel", tensor > 1)
        self._sharding(replicate, shard, context)
        self._batch(data, pipeline)
        self._precision()
        self._recompute(pipeline)
        self._overlap(tensor)
        if context > 1:
            self.draft.put("layout.context_kind", "rotation", None, "PyTorch's own exchange")
        compiled = self.settings.flag("compile.enable", False) or self.settings.flag("training.compile", False)
        self.draft.put(
            "stack", "torchtitan-2025" if compiled else "torchtitan-eager-2025", self.settings.find("compile.enable")
        )

    def _degree(self, *names: str) -> int | None:
        for name in names:
            full = [f"{section}.{name}" for section in ("parallelism", "experimental", "training")]
            if (value := self.settings.whole(*full)) is not None:
                self.settings.find(*full)
                return value
        return None

    def _size(self, key: str) -> int:
        names = [f"{section}.{key}_parallel_degree" for section in ("parallelism", "experimental", "training")]
        value = self.settings.whole(*names) or 1
        if key != "expert":
            self.draft.put(f"layout.{key}", value, self.settings.find(*names))
        return value

    def _model(self) -> None:
        name, flavor = self.settings.text("model.name") or "", self.settings.text("model.flavor") or ""
        known = FLAVORS.get((name, flavor))
        setting = self.settings.find("model.flavor")
        if self.source.model is not None:
            self.draft.put("model", self.source.model, None, "as --model says")
            found = loaded_model(self.source.model, str(self.source.path))
        elif known is not None:
            self.draft.put("model", known, setting)
            found = loaded_model(known, str(self.source.path))
        else:
            known_words = ", ".join(f"{each} {size}" for each, size in FLAVORS)
            message = f"{name} {flavor} is a table of torchtitan's code. Give --model, or one of {known_words}"
            line = setting.line if setting is not None else None
            raise InputError(str(self.source.path), [Problem(message, "model.flavor", line)])
        self.layers = found.layers
        self.moe = found.moe is not None

    def _counted(self) -> World:
        """The number of devices that a comment states, as the presets do."""
        for number, line in enumerate(self.source.text.splitlines(), 1):
            if "#" in line and (match := COUNTED.search(line.split("#", 1)[1])):
                return World(total=int(match[1].replace(",", "")), line=number, source="a comment")
        return World()

    def _usual(self) -> tuple[str, str, int]:
        converters = str(self.settings.value("model.converters"))
        return BLACKWELL if "mx" in converters else AMPERE if "A100" in self.source.text else HOPPER

    def _experts(self, expert: int, tensor: int) -> None:
        if not self.moe:
            return
        self.draft.put("layout.expert", expert, self.settings.find("parallelism.expert_parallel_degree"))
        cut = self.settings.whole("parallelism.expert_tensor_parallel_degree") or 1
        setting = self.settings.find("parallelism.expert_tensor_parallel_degree")
        self.draft.put("layout.expert_tensor", cut, setting, "" if setting else "torchtitan's default")

    def _pipeline(self, pipeline: int) -> None:
        names = ("parallelism.pipeline_parallel_schedule", "experimental.pipeline_parallel_schedule")
        word, setting = (self.settings.text(*names) or "1F1B").lower(), self.settings.find(*names)
        schedule = SCHEDULES.get(word)
        if pipeline == 1:
            schedule = "1f1b"
        elif schedule is None and setting is not None:
            schedule = NEAREST.get(word, "1f1b")
            self.draft.left(setting, f"the nearest schedule, {schedule}, is priced")
        each = self.settings.whole("parallelism.pipeline_parallel_layers_per_stage")
        less = [
            self.settings.whole(f"parallelism.pipeline_parallel_{end}_stage_less_layers") for end in ("first", "last")
        ]
        first, last = (1 if number is None else number for number in less)
        chunks = 2 if schedule in LOOPED and pipeline > 1 else 1
        if each and pipeline > 1:
            chunks = max(1, -(-(self.layers + first + last) // each) // pipeline)
        if schedule in LOOPED and pipeline > 1 and chunks != 2 and (chunks == 1 or schedule == "zb-v"):
            self.draft.note(
                0, f"{schedule} takes 2 stages or more a rank, and the file makes {chunks}: 1f1b", "assumed"
            )
            schedule, chunks = "1f1b", 1
        self.draft.put(
            "layout.virtual_stages", chunks, self.settings.find("parallelism.pipeline_parallel_layers_per_stage")
        )
        self.draft.put("layout.schedule", schedule, setting if pipeline > 1 and word in SCHEDULES else None)
        if pipeline > 1 and self.layers:
            self._stage_layers(pipeline * chunks, first, last)

    def _stage_layers(self, stages: int, first: int, last: int) -> None:
        """Layers spread with the ends counted as some: the first stages get what doesn't divide."""
        counted = self.layers + first + last
        each, more = divmod(counted, stages)
        spread = [each + (stage < more) for stage in range(stages)]
        spread[0] -= first
        spread[-1] -= last
        if min(spread) >= 0:
            self.draft.put("layout.stage_layers", spread)

    def _sharding(self, replicate: int, shard: int, context: int) -> None:
        names = ("parallelism.fsdp_reshard_after_forward", "parallelism.data_parallel_replicate_degree")
        never = self.settings.text(names[0]) == "never"
        setting = self.settings.find(names[0]) if never else self.settings.find(names[1])
        if shard * context == 1:
            self.draft.put("layout.sharding", "none", setting)
        elif replicate > 1:
            self.draft.put("layout.sharding", "hybrid", setting)
            layout = self.draft.parts["layout"]
            holding = layout.get("tensor", 1) * shard * context  # ranks of a group, over which experts are spread, too
            if holding % (layout.get("expert", 1) * (layout.get("expert_tensor") or 1)) == 0:
                self.draft.put("layout.zero_group", shard * context)
        else:
            self.draft.put("layout.sharding", "zero2" if never else "fsdp", setting)

    def _batch(self, data: int, pipeline: int) -> None:
        settings, draft = self.settings, self.draft
        length = settings.whole("training.seq_len") or 2048
        draft.put("training.sequence_length", length, settings.find("training.seq_len"), "torchtitan's default")
        local, found = (
            settings.whole("training.local_batch_size", "training.batch_size"),
            settings.find("training.local_batch_size", "training.batch_size"),
        )
        local = local if local and local > 0 else 8
        micro, setting = local, found
        if pipeline > 1:
            name = "parallelism.pipeline_parallel_microbatch_size"
            micro, setting = settings.whole(name) or 1, settings.find(name)
        draft.put("layout.micro_batch", micro, setting, "" if setting else "torchtitan's default")
        batch = settings.whole("training.global_batch_size")
        if batch and batch > 0:
            draft.put("training.global_batch", batch, settings.find("training.global_batch_size"))
        else:
            draft.put("training.global_batch", local * data, found, f"{local} x {data} replicas")
        if steps := settings.whole("training.steps"):
            draft.put(
                "training.tokens",
                steps * draft.parts["training"]["global_batch"] * length,
                settings.find("training.steps"),
            )

    def _precision(self) -> None:
        converters = self.settings.find("model.converters")
        names = str(converters.value) if converters is not None else ""
        if "mx" in names:
            self.draft.put("training.precision", "mxfp8", converters)
        elif "float8" in names:
            self.draft.put("training.precision", "fp8", converters)
        else:
            wide = (self.settings.text("training.mixed_precision_param") or "bfloat16").endswith("32")
            self.draft.put(
                "training.precision", "fp32" if wide else "bf16", self.settings.find("training.mixed_precision_param")
            )
        reduce = (self.settings.text("training.mixed_precision_reduce") or "float32").endswith("32")
        self.draft.put(
            "training.grad_reduce_precision",
            "fp32" if reduce else "bf16",
            self.settings.find("training.mixed_precision_reduce"),
        )

    def _recompute(self, pipeline: int) -> None:
        mode, setting = (
            self.settings.text("activation_checkpoint.mode") or "selective",
            self.settings.find("activation_checkpoint.mode"),
        )
        option = self.settings.text("activation_checkpoint.selective_ac_option") or "2"
        if mode == "selective" and option == "op":
            self.draft.put(
                "layout.recompute", "operations", self.settings.find("activation_checkpoint.selective_ac_option")
            )
        elif mode == "selective" and option.isdigit() and int(option[:4]) > 0:
            held = -(-self.layers // pipeline) // int(option[:4])
            value = "full" if int(option[:4]) == 1 else {"layers": max(held, 1)}
            found = self.settings.find("activation_checkpoint.selective_ac_option", "activation_checkpoint.mode")
            self.draft.put("layout.recompute", value, found, f"every {option}. layer")
        elif mode in ("full", "none"):
            self.draft.put("layout.recompute", mode, setting)
        else:
            self.draft.put("layout.recompute", "operations", None, f"activation_checkpoint {mode} has no counterpart")

    def _overlap(self, tensor: int) -> None:
        found = ["fsdp"]
        asynchronous = ("parallelism.enable_async_tensor_parallel", "experimental.enable_async_tensor_parallel")
        if tensor > 1 and any(self.settings.flag(name, False) for name in asynchronous):
            found.append("tensor")
            setting = self.settings.find(*asynchronous)
            assert setting is not None
            self.draft.note(setting.line, f"{setting.text} -> layout.overlap: tensor", "taken")
        self.draft.put("layout.overlap", found)

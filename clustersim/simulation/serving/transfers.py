"""Keys and values on their way: from the store of kept prompts, and to the devices that write the answers."""

from __future__ import annotations

import numpy as np

from clustersim.engines.graph import Floats
from clustersim.inputs.serving import Serving
from clustersim.simulation.serving.memory import cache_bytes_of


def transfer_seconds(serving: Serving, batch: Floats) -> Floats:
    """Seconds [batches] that moving keys and values takes a device beside a prefill pass of `batch` computed tokens.

    hits / (1 - hits) batch b / store + batch / (1 - hits) b / way out, with b bytes a token: kept ones are read from
    the store that the devices of a node share, and all of them are sent to the devices that decode.
    Assumes one copy a prompt, whatever tensor ranks share it.
    """
    node, store = serving.node, serving.stack.cache_store
    one = serving.prefill.model_copy(update={"tensor": 1})
    length, fresh = serving.traffic.prompt, 1.0 - serving.traffic.cache_hits
    a_token = cache_bytes_of(serving, one, length, bool(serving.decode.draft_tokens)) / length
    prompts = batch / fresh * a_token  # [batches] bytes
    sent = prompts / (node.scale_out.bandwidth * node.scale_out.efficiency)
    if store is None:
        return np.asarray(sent)
    return np.asarray(sent + prompts * serving.traffic.cache_hits / (store / node.devices))

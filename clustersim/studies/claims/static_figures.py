"""Figures that no step reaches: parameters, bytes of data, prices of tokens."""

from __future__ import annotations

from clustersim.inputs.amounts import amount, number
from clustersim.inputs.claim import Assertion, Claim, Relation
from clustersim.inputs.claim_metrics import METRICS
from clustersim.inputs.units import SECONDS_A_DAY
from clustersim.studies.claims.assertion_rows import AssertionRow, ClaimContext, reasoned_row, untestable_row
from clustersim.studies.claims.attainable_price import attainable_price, attainable_saving
from clustersim.studies.claims.cross_checks import StatedFigure
from clustersim.studies.claims.definitions import flops_a_token
from clustersim.studies.claims.equations import Equation, share
from clustersim.studies.claims.ideal import least_state_bytes
from clustersim.studies.serving.list_prices import listed, same_as
from clustersim.studies.serving.price import Kind
from clustersim.workload.parameters import active_parameters, total_parameters

BYTES_A_TOKEN = 4.0  # of text, about: three bytes a Chinese sign and less than two signs a token, or four letters
LONGEST_TRAINING = 3 * 365.0  # days: nobody trains one model for longer (assumed)


def parameters_row(assertion: Assertion, context: ClaimContext) -> AssertionRow:
    """Parameters in all, or those that a token meets, beside the model's shape and what the memory holds."""
    model = context.scenario.model
    active = assertion.metric == "active_parameters"
    counted = active_parameters(model) if active else total_parameters(model)
    words = f"{amount(assertion.claimed, 'parameters')}, and the shape that is simulated has {number(counted)}"
    if abs(counted / assertion.claimed - 1) > max(assertion.granted, assertion.tolerance):
        verdict, reason = "inconsistent", words
    else:
        smallest = min(context.steps, key=lambda step: step.devices)
        held, usable = least_state_bytes(smallest.scenario), smallest.memory.usable_bytes
        reason = f"{words}; states of {held / 2**30:.3g} GiB a device fit into {usable / 2**30:.3g} GiB"
        verdict = "plausible" if held <= usable else "impossible"
    return reasoned_row(assertion.id, assertion.metric, assertion.claimed, "parameters", verdict, reason)


def data_rows(assertion: Assertion, context: ClaimContext) -> list[AssertionRow]:
    """Bytes of data, read as what was collected and as what was trained on."""
    tokens = assertion.claimed / BYTES_A_TOKEN
    fastest = max(context.steps, key=lambda step: step.tokens_per_s)
    days = tokens / fastest.tokens_per_s / SECONDS_A_DAY
    reason = (
        f"at {BYTES_A_TOKEN:g} bytes a token these are {number(tokens)} tokens, and the largest cluster in question "
        f"would train on them for {number(days)} days"
    )
    verdict = "plausible" if days <= LONGEST_TRAINING else "implausible"
    collected = "what was collected before filtering is tied to nothing else"
    return [
        untestable_row(assertion.id, "data collected", assertion.claimed, "bytes", collected),
        reasoned_row(assertion.id, "data trained on", assertion.claimed, "bytes", verdict, reason, counts=False),
    ]


def data_equations(claim: Claim, said: list[StatedFigure], context: ClaimContext) -> list[Equation]:
    """Bytes a token where tokens are stated, and how long the stated FLOP/s would take for all of the data."""
    equations = []
    step = context.steps[0]
    tokens = step.scenario.training.tokens
    for data in (figure for figure in said if figure.metric == "data_bytes"):
        if tokens:
            each = data.value / tokens
            equation = f"{amount(data.value, 'bytes')} / {number(tokens)} tokens = {number(each)} bytes a token"
            reason = (
                f"text has about {BYTES_A_TOKEN:g}: they can't be the same data" if each > 10 else "text has as much"
            )
            equations.append(Equation("", equation, each, None, "informative", reason, (data.id,)))
        for total in (figure for figure in said if figure.metric == "achieved_flops"):
            work = data.value / BYTES_A_TOKEN * flops_a_token(step, "6N")
            years = work / total.value / SECONDS_A_DAY / 365
            equation = (
                f"{amount(data.value, 'bytes')} / {BYTES_A_TOKEN:g} x {number(flops_a_token(step, '6N'))} FLOP a token "
                f"/ {amount(total.value, 'FLOP/s')} = {number(years)} years"
            )
            reason = "so the data can't be what it was trained on" if years > LONGEST_TRAINING / 365 else "long enough"
            equations.append(Equation("", equation, years, None, "informative", reason, (data.id, total.id)))
    return equations


def price_row(assertion: Assertion, claim: Claim, context: ClaimContext) -> AssertionRow:
    """A price of tokens beside what serving them costs, with whose it repeats."""
    own = claim.scenario_part.get("model")
    repeats = same_as(assertion.metric, assertion.claimed, own if isinstance(own, str) else "")
    kind: Kind = "input" if assertion.metric == "input_token_price" else "output"
    found = attainable_price(context.scenario.model.name, kind, assertion.claimed)
    reason = "; ".join(filter(None, (found.reason, f"it is {repeats}" if repeats else "")))
    return reasoned_row(
        assertion.id,
        assertion.metric,
        assertion.claimed,
        METRICS[assertion.metric].unit,
        found.verdict,
        reason,
        best=None if found.cost is None else found.cost.central,
        interval_80=found.interval_80,
        probability=found.probability,
    )


def saving_row(relation: Relation, context: ClaimContext) -> AssertionRow:
    """A saving against a list price: what tokens may then cost, beside what serving them does."""
    assert relation.list_price is not None
    price, claimed = listed(relation.list_price), relation.asserted.value
    left = ", ".join(
        f"{number(theirs * (1 - claimed))} USD {kind.replace('_', ' ')}"
        for kind, theirs in price.prices.items()
        if kind != "cached_input"
    )
    found = attainable_saving(context.scenario.model.name, relation.list_price, claimed)
    theirs = found.claimed / (1 - claimed)  # of the traffic's mix
    interval = found.interval_80
    return reasoned_row(
        relation.id,
        "token_price_saving",
        claimed,
        "%",
        found.verdict,
        f"{share(claimed, 1)} off {price.model}'s list leaves {left} a million tokens: {found.reason}",
        base=f"list price of {price.model}",
        best=None if found.cost is None else 1 - found.cost.central / theirs,
        interval_80=None if interval is None else (1 - interval[1] / theirs, 1 - interval[0] / theirs),
        probability=found.probability,
    )

"""Figures of one claim that physics ties together, pair by pair: rates, times, totals and shares of the peak.

Every figure of speed says how many tokens a device sees in a second (of days and hours: on average, downtime included),
or how many FLOP/s; a model's FLOPs a token join the two, by each convention.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from clustersim.inputs.amounts import amount, number, times, whole
from clustersim.inputs.claim import Claim, Relation
from clustersim.inputs.claim_metrics import MFU
from clustersim.inputs.units import SECONDS_A_DAY, SECONDS_AN_HOUR
from clustersim.studies.claims.assertion_rows import ClaimContext
from clustersim.studies.claims.definitions import CONVENTIONS, flops_a_token
from clustersim.studies.claims.equations import Equation, chips_of, share
from clustersim.studies.claims.utilization import counting_bases
from clustersim.studies.serving.list_prices import PRICED, SAME_PRICE, WORDS, listed

ROUNDED = 0.05  # figures that are stated as rounded may differ by as much
CONVENTION_WORDS = {"mfu": "full attention", "mfu_causal": "causal attention", "mfu_6n": "6N"}


@dataclass(frozen=True)
class StatedFigure:
    """A figure that the claim states, asserted or given."""

    id: str
    metric: str
    value: float
    tolerance: float


@dataclass(frozen=True)
class Speed:
    """Tokens a second and device that a figure means."""

    said: StatedFigure
    rate: float
    words: str  # how it comes about
    average: bool  # over the whole run, so that it may be lower than the rate of a step


def stated_figures(claim: Claim) -> list[StatedFigure]:
    """Everything that the claim states as a figure."""
    asserted = [
        StatedFigure(assertion.id, assertion.metric, assertion.claimed, max(assertion.granted, ROUNDED))
        for assertion in claim.assertions
    ]
    return asserted + [StatedFigure(name, name, value, ROUNDED) for name, value in claim.stated.items()]


def tied(claim: Claim, context: ClaimContext) -> list[Equation]:
    """Every pair of figures that says the same in two ways, as equations."""
    said = stated_figures(claim)
    speeds = [speed for figure in said if (speed := _speed(figure, claim, context)) is not None]
    equations = [*_speed_pairs(speeds), *_hours(said, context), *_prices_an_hour(said, claim)]
    for speed in speeds:
        equations += [*_shares_of_speed(claim, context, speed), *_totals_of_speed(said, context, speed)]
    return [*_chips(claim, said, context), *_shares_of_devices(claim, said, context), *equations]


def _chips(claim: Claim, said: list[StatedFigure], context: ClaimContext) -> Iterator[Equation]:
    """How many devices the stated FLOP/s and utilizations make together, base by base."""
    for total in (figure for figure in said if figure.metric == "achieved_flops"):
        for utilization in (assertion for assertion in claim.assertions if assertion.is_mfu):
            for name, peak in counting_bases(utilization, context).items():
                yield chips_of(
                    total.value,
                    utilization.claimed,
                    name,
                    peak,
                    context.devices,
                    total.tolerance,
                    ties=(utilization.id, total.id),
                )


def _shares_of_devices(claim: Claim, said: list[StatedFigure], context: ClaimContext) -> Iterator[Equation]:
    """FLOP/s of one device over each base, beside the stated utilization."""
    for each in (figure for figure in said if figure.metric == "achieved_flops_per_device"):
        for utilization in (assertion for assertion in claim.assertions if assertion.is_mfu):
            for name, peak in counting_bases(utilization, context).items():
                implied = each.value / peak
                agree = abs(implied / utilization.claimed - 1) <= each.tolerance
                equation = f"{amount(each.value, 'FLOP/s')} / {amount(peak, 'FLOP/s')} = {share(implied, 1)}"
                reason = f"the claim states {share(utilization.claimed)}"
                verdict = "consistent" if agree else "inconsistent"
                yield Equation(name, equation, implied, None, verdict, reason, (utilization.id, each.id))


def _speed(said: StatedFigure, claim: Claim, context: ClaimContext) -> Speed | None:
    """Tokens a second and device that a figure means; None where something that it takes isn't stated."""
    devices, training = context.devices, context.scenario.training
    tokens = training.tokens if "tokens" in _training(claim) else None
    count = devices.most if devices.stated else None
    value = said.value
    match said.metric:
        case "tokens_per_s_per_device":
            return Speed(said, value, f"{number(value)} tokens/s", False)
        case "tokens_per_s" if count:
            return Speed(said, value / count, f"{number(value)} tokens/s / {count:,}", False)
        case "step_time_s" if count and {"global_batch", "sequence_length"} <= set(_training(claim)):
            batch = training.tokens_per_step
            return Speed(said, batch / value / count, f"{number(batch)} tokens / {number(value)} s / {count:,}", False)
        case "training_days" if count and tokens:
            words = f"{number(tokens)} tokens / {number(value)} days / {count:,}"
            return Speed(said, tokens / (value * SECONDS_A_DAY * count), words, True)
        case "device_hours" if tokens:
            words = f"{number(tokens)} tokens / {number(value)} device-hours"
            return Speed(said, tokens / (value * SECONDS_AN_HOUR), words, True)
    return None


def _training(claim: Claim) -> Mapping[str, object]:
    """What the claim itself states of the training, open values left out."""
    stated = claim.scenario_part.get("training", {})
    if not isinstance(stated, Mapping):
        return {}
    return {key: value for key, value in stated.items() if f"training.{key}" not in claim.open}


def _speed_pairs(speeds: list[Speed]) -> Iterator[Equation]:
    for one, other in combinations(speeds, 2):
        slow, fast = (one, other) if one.rate <= other.rate else (other, one)
        tolerance = max(one.said.tolerance, other.said.tolerance)
        agree = slow.rate >= fast.rate * (1 - tolerance) or (slow.average and not fast.average)
        equation = f"{slow.words} = {number(slow.rate)}; {fast.words} = {number(fast.rate)} tokens/s a device"
        words = times(fast.rate / slow.rate)
        reason = "they say the same" if agree else f"{fast.said.id} is {words} as fast as {slow.said.id}"
        if agree and slow.rate < fast.rate * (1 - tolerance):
            reason = f"{share(slow.rate / fast.rate)} of the time would have been productive"
        verdict = "consistent" if agree else "inconsistent"
        yield Equation("", equation, fast.rate / slow.rate, None, verdict, reason, (slow.said.id, fast.said.id))


def _shares_of_speed(claim: Claim, context: ClaimContext, speed: Speed) -> Iterator[Equation]:
    """The share of each base that a speed means, by each convention that the stated utilization may have."""
    for utilization in (assertion for assertion in claim.assertions if assertion.is_mfu):
        meanings = MFU if utilization.meaning == "unstated" else (utilization.meaning,)
        for definition in meanings:
            each = flops_a_token(context.steps[0], CONVENTIONS[definition])
            for name, peak in counting_bases(utilization, context).items():
                implied = speed.rate * each / peak
                above = implied > utilization.claimed * (1 + speed.said.tolerance)
                below = implied < utilization.claimed * (1 - speed.said.tolerance)
                excluded = above or (below and not speed.average)
                equation = (
                    f"{speed.words} x {amount(each, 'FLOP/s').removesuffix('/s')} a token "
                    f"({CONVENTION_WORDS[definition]}) / {amount(peak, 'FLOP/s')} = {share(implied, 1)}"
                )
                reason = f"the claim states {share(utilization.claimed)}"
                if below and speed.average:
                    reason += f", so that {share(implied / utilization.claimed)} of the time would have been productive"
                yield Equation(
                    name,
                    equation,
                    implied,
                    1.0,
                    "inconsistent" if excluded else "consistent",
                    reason,
                    (utilization.id, speed.said.id),
                    definition,
                )


def _totals_of_speed(said: list[StatedFigure], context: ClaimContext, speed: Speed) -> Iterator[Equation]:
    """The FLOP/s that a speed takes, by 6N, which asks least, beside the stated ones."""
    least = flops_a_token(context.steps[0], "6N")
    most = flops_a_token(context.steps[0], "full")
    for figure in said:
        if figure.metric == "achieved_flops" and context.devices.stated:
            stated = figure.value / context.devices.most
        elif figure.metric == "achieved_flops_per_device":
            stated = figure.value
        else:
            continue
        low, high = speed.rate * least, speed.rate * most
        above = low > stated * (1 + figure.tolerance)
        below = high < stated * (1 - figure.tolerance) and not speed.average
        equation = (
            f"{speed.words} x {amount(least, 'FLOP/s').removesuffix('/s')} a token (6N) = {amount(low, 'FLOP/s')} "
            f"a device, {amount(high, 'FLOP/s')} by full attention"
        )
        reason = f"the claim states {amount(stated, 'FLOP/s')} a device"
        verdict = "inconsistent" if above or below else "consistent"
        yield Equation("", equation, low, stated, verdict, reason, (figure.id, speed.said.id))


def _hours(said: list[StatedFigure], context: ClaimContext) -> Iterator[Equation]:
    """Days x devices x 24 against device-hours."""
    for days in (figure for figure in said if figure.metric == "training_days"):
        for hours in (figure for figure in said if figure.metric == "device_hours"):
            implied = hours.value / (24 * days.value)
            devices = context.devices
            agree = devices.fewest * 0.9 <= implied <= devices.most * 1.1
            verdict = "consistent" if agree else "inconsistent" if devices.stated else "informative"
            equation = (
                f"{number(hours.value)} device-hours / (24 x {number(days.value)} days) = {whole(implied)} devices"
            )
            reason = f"the claim states {devices.words}" if devices.stated else f"{devices.words} were tried"
            yield Equation("", equation, implied, None, verdict, reason, (days.id, hours.id))


def _prices_an_hour(said: list[StatedFigure], claim: Claim) -> Iterator[Equation]:
    """Cost over device-hours, beside a stated price an hour."""
    from clustersim.inputs.units import parse_quantity

    cluster = claim.scenario_part.get("cluster")
    stated = cluster.get("price") if isinstance(cluster, Mapping) else None
    for cost in (figure for figure in said if figure.metric == "cost_usd"):
        for hours in (figure for figure in said if figure.metric == "device_hours"):
            implied = cost.value / hours.value
            verdict, reason = "informative", "the claim states no price of a device-hour"
            if isinstance(stated, (int, float, str)):
                price = parse_quantity(stated, "USD/h")
                agree = abs(implied / price - 1) <= cost.tolerance if price else False
                verdict = "consistent" if agree else "inconsistent"
                reason = f"the claim states {number(price)} USD"
            equation = f"{number(cost.value)} USD / {number(hours.value)} device-hours = {number(implied)} USD an hour"
            yield Equation("", equation, implied, None, verdict, reason, (cost.id, hours.id))


def savings(relation: Relation, said: Sequence[StatedFigure]) -> Iterator[Equation]:
    """What each stated price of tokens saves against the list price of the same kind, beside the claimed saving."""
    assert relation.list_price is not None
    price, claimed = listed(relation.list_price), relation.asserted.value
    for figure in said:
        for kind in PRICED.get(figure.metric, ())[:1]:
            if kind not in price.prices:
                continue
            theirs = price.prices[kind]
            implied = 1.0 - figure.value / theirs
            agree = abs(implied - claimed) <= SAME_PRICE
            exceeds = implied > claimed and not agree
            whose = f"{price.model}'s {WORDS[kind]}"
            equation = f"1 - {number(figure.value)} / {number(theirs)} USD ({whose}) = {share(implied, 1)}"
            reason = f"the claim says {share(claimed, 1)}"
            if exceeds:
                reason += ", less than its own price saves: another price was meant"
            verdict = "consistent" if agree else "informative" if exceeds else "inconsistent"
            yield Equation("", equation, implied, None, verdict, reason, (relation.id, figure.id))

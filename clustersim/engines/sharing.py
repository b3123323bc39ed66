"""What tasks share while they run at the same time: the cores of a device, and links.

A task progresses at 1 / (1 + computing H + moving (1/r - 1)) of its pace alone. H: how much longer the messages under
way make compute on its device take, all together; r: the share of its own traffic that the links let through.
"""

from __future__ import annotations

from dataclasses import dataclass

from clustersim.engines.graph import Floats, Ints

NO_LINK = -1
AMPLE = 1.0 + 1e-9  # of a link's capacity: what rounding adds to loads that just fit is no overload


@dataclass(frozen=True, eq=False)
class Sharing:
    """What every kind of task draws on when nothing else runs, beside the seconds that it takes then."""

    device: Ints  # [kinds] whose cores it computes on, or holds
    holds: Floats  # [kinds, columns] how much longer compute on its device takes meanwhile, over its time alone
    computing: Floats  # [kinds, columns] share of its seconds in which it computes
    moving: Floats  # [kinds, columns] share of its seconds that messages take
    links: Ints  # [kinds, places] the links that its messages cross, or NO_LINK
    bandwidth: Floats  # [kinds, places, columns] bytes a second over each of them, on average
    owner: Ints  # [links] the device whose link it is
    capacity: Floats  # [links, columns] bytes a second of each link

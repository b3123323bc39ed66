"""The shipped claims, by whether their figures were reached."""

from __future__ import annotations

from clustersim.inputs.load import config_names, load_claim

CLAIMS = {name: load_claim(name).source.reliability for name in config_names("claims")}
TRUE = [name for name, reliability in CLAIMS.items() if reliability in ("paper", "vendor", "measured")]
FALSE = [name for name, reliability in CLAIMS.items() if reliability == "invented"]

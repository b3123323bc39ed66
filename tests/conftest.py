"""What all tests share: how Hypothesis draws its cases."""

from __future__ import annotations

from hypothesis import settings

# Drawn cases may take as long as they need, for a busy machine is no failure; and they are the same every time, for a
# checkout either passes or doesn't. `--hypothesis-profile search` draws new ones.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)
settings.load_profile("same")

"""Hypothesis profiles: dev (the default), ci (where CI is set) and deep; HYPOTHESIS_PROFILE names one."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A first example may compile kernels, so neither deadlines nor slow data generation tell anything.
_ALWAYS = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=25, **_ALWAYS)
settings.register_profile("ci", max_examples=100, derandomize=True, database=None, **_ALWAYS)
settings.register_profile("deep", max_examples=2000, **_ALWAYS)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)

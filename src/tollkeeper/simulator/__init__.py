"""A provider that is not one: it speaks the providers' protocols on loopback, for tests, demos and benchmarks.

with Simulator(seed=1) as simulator:
    client = openai.OpenAI(base_url=simulator.base_url("openai"), api_key="any")
"""

from tollkeeper.simulator.knobs import Knobs
from tollkeeper.simulator.server import Arrival, Simulator

__all__ = ["Arrival", "Knobs", "Simulator"]

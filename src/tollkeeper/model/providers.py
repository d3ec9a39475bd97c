"""The providers that calls are recognised of, how an app gets to use one, and whether its key is set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

LAST = 4
SHORTEST_SHOWN = 20
"""Characters of a key: of a shorter one the last four would say too much."""


class Setup(NamedTuple):
    """`variable` is the environment variable that the provider's SDK reads its key from, where there is one.

    `other` is one that it reads, too.
    """

    name: str
    variable: str | None
    package: str = "openai"
    note: str = ""
    other: str | None = None

    @property
    def guide(self) -> str:
        """What to do, in a sentence."""
        key = f"Set {self.variable}" if self.variable else self.note
        return f"{key}, install the package {self.package}, and call tollkeeper.instrument() in the app."


SETUPS = (
    Setup("openai", "OPENAI_API_KEY"),
    Setup("azure.ai.openai", "AZURE_OPENAI_API_KEY"),
    Setup("azure.ai.inference", "GITHUB_TOKEN"),
    Setup("anthropic", "ANTHROPIC_API_KEY", "anthropic"),
    Setup("gcp.gemini", "GEMINI_API_KEY", "google-genai", other="GOOGLE_API_KEY"),
    Setup("gcp.vertex_ai", "GOOGLE_CLOUD_PROJECT", "google-genai"),
    Setup("aws.bedrock", "AWS_BEARER_TOKEN_BEDROCK", "boto3"),
    Setup("groq", "GROQ_API_KEY", "groq"),
    Setup("mistral_ai", "MISTRAL_API_KEY", "mistralai"),
    Setup("cohere", "CO_API_KEY", "cohere"),
    Setup("ollama", None, "ollama", "Start `ollama serve`"),
    Setup("openrouter", "OPENROUTER_API_KEY"),
    Setup("deepseek", "DEEPSEEK_API_KEY"),
    Setup("x_ai", "XAI_API_KEY"),
    Setup("together", "TOGETHER_API_KEY"),
    Setup("fireworks", "FIREWORKS_API_KEY"),
    Setup("perplexity", "PERPLEXITY_API_KEY"),
    Setup("cerebras", "CEREBRAS_API_KEY"),
    Setup("huggingface", "HF_TOKEN"),
    Setup("moonshot_ai", "MOONSHOT_API_KEY"),
    Setup("deepinfra", "DEEPINFRA_API_KEY"),
    Setup("novita", "NOVITA_API_KEY"),
    Setup("sambanova", "SAMBANOVA_API_KEY"),
    Setup("nvidia", "NVIDIA_API_KEY"),
    Setup("venice", "VENICE_API_KEY"),
    Setup("zai", "ZAI_API_KEY"),
    Setup("alibaba", "DASHSCOPE_API_KEY"),
    Setup("voyage", "VOYAGE_API_KEY"),
    Setup("vercel", "AI_GATEWAY_API_KEY"),
    Setup("snowflake", "SNOWFLAKE_TOKEN"),
    Setup("lm_studio", None, note="Start LM Studio's server"),
    Setup("llama_cpp", None, note="Start llama-server"),
)
"""A row for each provider that `capture/providers` knows; a test holds them against each other."""

KEY_VARIABLES: Mapping[str, str] = {
    variable: setup.name for setup in SETUPS for variable in (setup.variable, setup.other) if variable is not None
}
"""The provider that each variable has a key of."""


class KeyFound(NamedTuple):
    """What there is of a key in an environment. `last_four` is `None` where none is set, or it is too short."""

    variable: str
    is_set: bool
    last_four: str | None = None


def keys_in(environment: Mapping[str, str]) -> list[KeyFound]:
    """Which of the keys are set there. No more of any than its last four characters leaves this function."""
    return [_found(variable, environment.get(variable, "").strip()) for variable in KEY_VARIABLES]


def _found(variable: str, key: str) -> KeyFound:
    shown = key[-LAST:] if len(key) >= SHORTEST_SHOWN and key.isascii() and key.isprintable() else None
    return KeyFound(variable, bool(key), shown)

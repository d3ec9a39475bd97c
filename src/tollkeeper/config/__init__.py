"""Every option of everything. Nothing else reads the environment.

An option comes from the call or the command line, else from the environment, else from the TOML file, else it has its
default.
"""

from tollkeeper.config.instrument import (
    CONTENT_MODES,
    CONTENT_WORDS,
    DEFAULTS,
    OPTIONS,
    TABLE,
    ContentMode,
    Settings,
    disabled_instrumentations,
    load,
    state_folder,
)
from tollkeeper.config.reading import ENVIRONMENT_CONFIG, Check, ConfigurationError, Option
from tollkeeper.config.serve import SERVE_DEFAULTS, SERVE_OPTIONS, ServeSettings, load_serve

__all__ = [
    "CONTENT_MODES",
    "CONTENT_WORDS",
    "DEFAULTS",
    "ENVIRONMENT_CONFIG",
    "OPTIONS",
    "SERVE_DEFAULTS",
    "SERVE_OPTIONS",
    "TABLE",
    "Check",
    "ConfigurationError",
    "ContentMode",
    "Option",
    "ServeSettings",
    "Settings",
    "disabled_instrumentations",
    "load",
    "load_serve",
    "state_folder",
]

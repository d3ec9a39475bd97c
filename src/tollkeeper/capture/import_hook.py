"""Patch a module when the app imports it, so that no SDK is imported because of us."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from types import ModuleType

from tollkeeper.capture import faults

Action = Callable[[], None]


class ImportHook(importlib.abc.MetaPathFinder):
    """Runs actions right after the modules they wait for have been imported for the first time."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Action]] = {}
        self._lock = threading.Lock()
        self._finding = threading.local()

    def when_imported(self, module: str, action: Action) -> None:
        """Run `action` now if `module` is there, else as soon as it is."""
        with self._lock:
            if module not in sys.modules:
                self._waiting.setdefault(module, []).append(action)
                if self not in sys.meta_path:
                    sys.meta_path.insert(0, self)
                return
        action()

    def remove(self) -> None:
        """Forget everything that is still waited for."""
        with self._lock:
            self._waiting.clear()
            if self in sys.meta_path:
                sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self._waiting or getattr(self._finding, "name", None) == fullname:
            return None
        self._finding.name = fullname
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._finding.name = None
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, lambda: self._run(fullname))
        elif spec is not None:
            self._run(fullname)  # a namespace package: it has no code that would have to run before
        return spec

    def _run(self, module: str) -> None:
        with self._lock:
            actions = self._waiting.pop(module, [])
        for action in actions:
            try:
                action()
            except Exception as fault:  # noqa: BLE001  the boundary: the app's import must succeed without us
                faults.report(f"patch {module}", fault)


class _Loader(importlib.abc.Loader):
    """The module's own loader, and then what waited for the module."""

    def __init__(self, loader: importlib.abc.Loader, then: Action) -> None:
        self._loader = loader
        self._then = then

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._then()

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

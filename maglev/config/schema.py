"""The elements of a schema: keys with a single value, and the three ways in which keys hold further keys.

The schema of the file itself is in `maglev.config.keys`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from maglev.config.kinds import TextRule, ValueKind
from maglev.model.config import CheckType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NAME: Final = TextRule(
    re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"),
    "invalid name: expected 1 to 63 letters, digits, '.', '_' or '-', starting with a letter or digit",
)
"""Pattern of object names: words that need no quotes in YAML, in a shell, in a metric's label or in our own shell."""


@attrs.frozen(eq=False)
class ConfigKey:
    """A key with a single value.

    Attributes:
        name: Name in the file.
        kind: The kind of its value.
        help: Its effect, in one sentence for the reference manual.
        notes: Further sentences for the manual; in both, code is between two backquotes.
        default: The value of an absent key, or None.
        default_text: The effect of an absent key, where `default` does not express it.
        required: Whether it must be present.
        unit: Unit of a number.
        types: The types of healthcheck that it belongs to, if not all; with `required`, it is required for those.
        optional: Those of them for which it is not required all the same.
        instead: With `required`, the name of a key that may be there in its place.
    """

    name: str
    kind: ValueKind
    help: str
    notes: str = ""
    default: Any = None
    default_text: str = ""
    required: bool = False
    unit: str = ""
    types: tuple[CheckType, ...] = tuple(CheckType)
    instead: str = ""
    optional: tuple[CheckType, ...] = ()

    @property
    def needed(self) -> bool:
        """Whether it is required for every type of healthcheck; `maglev.config.rules` checks the others."""
        return self.required and self.types == tuple(CheckType)

    @property
    def required_types(self) -> tuple[CheckType, ...]:
        """The types of healthcheck for which it must be present."""
        return tuple(each for each in self.types if self.required and each not in self.optional)

    @property
    def shown_default(self) -> str:
        """The default to show: its text, or the types of healthcheck for which the key is required."""
        if self.required:
            if self.instead:
                return f"required, or {self.instead}"
            return "required" if self.needed else f"required for {', '.join(self.required_types)}"
        return self.default_text or self.kind.spell(self.default)


def _by_name(keys: Iterable[Entry]) -> Mapping[str, Entry]:
    return {key.name: key for key in keys}


@attrs.frozen(eq=False)
class ConfigSection:
    """A map with fixed keys.

    Attributes:
        noun: Name for one such map, such as ``backend``.
        keys: Its keys, by name, in the order of the reference manual.
        notes: A paragraph for the reference manual about the whole section.
        defaults: Defaults by name, for the keys with a single value.
        always: Names of the keys that matter when absent: the required ones, and those that hold further keys.
    """

    noun: str
    keys: Mapping[str, Entry] = attrs.field(converter=_by_name)
    notes: str = ""
    defaults: Mapping[str, Any] = attrs.field(init=False)
    always: tuple[str, ...] = attrs.field(init=False)

    @defaults.default
    def _defaults(self) -> dict[str, Any]:
        return {name: key.default for name, key in self.keys.items() if isinstance(key, ConfigKey)}

    @always.default
    def _always(self) -> tuple[str, ...]:
        return tuple(name for name, key in self.keys.items() if not isinstance(key, ConfigKey) or key.needed)

    @property
    def needed(self) -> bool:
        """Whether it has required keys, so that an empty section is an error."""
        return any(entry.needed for entry in self.keys.values())


@attrs.frozen(eq=False)
class Part:
    """A key that holds a section.

    Attributes:
        name: Name in the file.
        section: The schema of the section.
        help: Its purpose.
        required: Whether it must be present; else an absent one is read as empty.
    """

    name: str
    section: ConfigSection
    help: str
    required: bool = False

    @property
    def needed(self) -> bool:
        """Whether it must be present."""
        return self.required or self.section.needed


@attrs.frozen(eq=False)
class NamedSections:
    """A key that holds named sections.

    Attributes:
        name: Name in the file.
        section: The schema of each section.
        help: Its purpose.
    """

    name: str
    section: ConfigSection
    help: str
    needed = False


@attrs.frozen(eq=False)
class Listing:
    """A key that holds an ordered list of sections, at least one.

    Attributes:
        name: Name in the file.
        section: The schema of each item.
        help: Its purpose.
        needed: Whether it must be present; else an absent one is None.
    """

    name: str
    section: ConfigSection
    help: str
    needed: bool = True


Entry: TypeAlias = ConfigKey | Part | NamedSections | Listing


def walk(section: ConfigSection, path: str = "") -> Iterator[tuple[str, ConfigSection]]:
    """Yield every section of the file with its path, such as ``maglev.backends.<name>``; the outer ones first."""
    yield path, section
    for entry in section.keys.values():
        if not isinstance(entry, ConfigKey):
            suffix = {Part: "", NamedSections: ".<name>", Listing: "[]"}[type(entry)]
            yield from walk(entry.section, f"{path}.{entry.name}{suffix}".removeprefix("."))

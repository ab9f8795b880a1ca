"""How a setting is declared: its default and description are one line of the class ``Settings``."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

PREFIX: Final = "GNOMON_"

T = TypeVar("T")
_DECLARED: Final = "gnomon.setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting, as it is named in the file of settings.

    Attributes:
        name: Key in the file, and attribute of ``Settings``.
        variable: Environment variable.
        about: What it means, one sentence.
        kind: Which values are accepted, for people.
        default: Value if nobody gives one.
        otherwise: Description of the default, where the value does not tell it.
        secret: Whether the value must never be shown.
        folded_by: Stages whose state depends on the value.
    """

    name: str
    variable: str
    about: str
    kind: str
    default: object
    otherwise: str
    secret: bool
    folded_by: tuple[str, ...]


def setting(
    default: T,
    about: str,
    *,
    variable: str = "",
    otherwise: str = "",
    secret: bool = False,
    folded_by: tuple[str, ...] = (),
) -> T:
    """Declare a field of ``Settings``. The arguments are attributes of ``Setting``.

    Without ``variable``, the environment variable is the name of the field behind ``GNOMON_``.
    """
    declared = {
        "about": about,
        "variable": variable,
        "otherwise": otherwise,
        "secret": secret,
        "folded_by": folded_by,
    }
    field: Any = dataclasses.field(default=default, repr=not secret, metadata={_DECLARED: declared})
    found: T = field
    return found


def declared_by(owner: type[Any]) -> Mapping[str, Setting]:
    """Return the settings that the fields of a dataclass declare, by name."""
    hints = get_type_hints(owner, include_extras=True)
    found = {}
    for field in dataclasses.fields(owner):
        declared: dict[str, Any] = dict(field.metadata[_DECLARED])
        declared["variable"] = declared["variable"] or f"{PREFIX}{field.name.upper()}"
        found[field.name] = Setting(
            name=field.name, default=field.default, kind=_kind(hints[field.name]), **declared
        )
    return found


def _kind(hint: Any) -> str:
    """Describe the values of a type: its name, and its bounds or its choices."""
    if get_origin(hint) is Annotated:
        kind, *about = get_args(hint)
        return _kind(kind) + "".join(_bounds(each) for each in about)
    if get_origin(hint) is Literal:
        return ", ".join(str(choice) or "empty" for choice in get_args(hint))
    if get_origin(hint) in {Union, UnionType}:
        return " or ".join(_kind(each) for each in get_args(hint))
    return {str: "text", float: "number", int: "whole number", bool: "true or false"}[hint]


def _bounds(meta: msgspec.Meta) -> str:
    if meta.description is not None:
        return f": {meta.description}"
    signs = (("≥", meta.ge), (">", meta.gt), ("≤", meta.le))
    bounds = [f" {sign} {bound:g}" for sign, bound in signs if bound is not None]
    return ",".join(bounds)

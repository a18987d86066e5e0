"""`NamedTuple` as in `typing`, made in two fifths of the instructions, and checked by mypy only.

`show` makes 35 to 52 such classes, as many as the format takes: 6 % less of its instructions than with `typing`, which
compiles every annotation. Annotations must be text, so modules that use this import `annotations` from `__future__`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from collections import _tuplegetter as _field

    class _Values(tuple):
        """The methods of all named tuples."""

        __slots__ = ()

        @classmethod
        def _make(cls, values: Iterable[Any]) -> Any:
            return cls(*values)

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **changes: Any) -> Any:
            made = self._make(map(changes.pop, self._fields, self))
            if changes:
                raise ValueError(f"{type(self).__name__} has no fields {list(changes)}")
            return made

        __replace__ = _replace  # for `copy.replace` of Python 3.13

        def __repr__(self) -> str:
            return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._asdict().items())})"

        def __getnewargs__(self) -> tuple[Any, ...]:  # of `pickle` and `copy`
            return tuple(self)

    class _NamedTupleMaker(type):
        """Make a class that inherits from `NamedTuple` a tuple with a name for each place."""

        def __new__(cls, name: str, _bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
            fields = tuple(namespace.get("__annotations__", ()))
            if not fields:
                raise TypeError(f"{name} has no fields; its module needs the future import of annotations")
            defaults = {field: namespace.pop(field) for field in fields if field in namespace}
            namespace |= {field: _field(place, None) for place, field in enumerate(fields)}
            namespace |= {"__slots__": (), "__match_args__": fields, "_fields": fields, "_field_defaults": defaults}
            namespace["__new__"] = _compile_constructor(name, fields, defaults)
            return type(name, (_Values,), namespace)

    def _compile_constructor(name: str, fields: tuple[str, ...], defaults: Mapping[str, Any]) -> Any:
        """Return the `__new__` of a class, compiled as in `collections`: arguments are bound by Python itself."""
        parameters = (f"{field}=_defaults[{field!r}]" if field in defaults else field for field in fields)
        code = f"lambda _cls, {', '.join(parameters)}: _new(_cls, ({', '.join(fields)},))"
        constructor = eval(code, {"_new": tuple.__new__, "_defaults": defaults})  # noqa: S307 - of our own names
        constructor.__qualname__ = f"{name}.__new__"
        return constructor

    NamedTuple = type.__new__(_NamedTupleMaker, "NamedTuple", (), {})

__all__ = ["NamedTuple"]

"""Read flatbuffers, the format of TFLite files, by the positions of fields in their schema.

``flatbuffers`` generates a module for each schema; here, a few fields of two schemas are read.
"""

from typing import Any

import numpy as np
from flatbuffers import encode, number_types
from flatbuffers.table import Table as _Table


class Table:
    """A table in a flatbuffer. Fields that the file lacks are empty or 0."""

    def __init__(self, content: bytes | bytearray, position: int) -> None:
        self._table = _Table(content, position)

    @classmethod
    def root(cls, content: bytes | bytearray) -> "Table":
        """The table that a flatbuffer begins with."""
        return cls(content, encode.Get(number_types.UOffsetTFlags.packer_type, content, 0))

    def tables(self, field: int) -> list["Table"]:
        start, length = self.vector(field)
        places = range(start, start + 4 * length, 4)
        return [Table(self._table.Bytes, self._table.Indirect(place)) for place in places]

    def table(self, field: int) -> "Table":
        """The table in a field, such as the one of a union. Raises ``ValueError`` if missing."""
        place = self._place(field)
        if not place:
            raise ValueError("A table is missing in a flatbuffer.")
        return Table(self._table.Bytes, self._table.Indirect(place))

    def text(self, field: int) -> bytes:
        place = self._place(field)
        return self._table.String(place) if place else b""

    def number(self, field: int, kind: Any = number_types.Uint32Flags) -> int:
        place = self._place(field)
        return self._table.Get(kind, place) if place else 0

    def numbers(self, field: int, dtype: Any) -> np.ndarray:
        """A vector of numbers as a (length,) array."""
        start, length = self.vector(field)
        return np.frombuffer(self._table.Bytes, np.dtype(dtype), length, start)

    def vector(self, field: int) -> tuple[int, int]:
        """The position of a vector's first element, and its length; the length is before it."""
        offset = self._table.Offset(4 + 2 * field)
        return (self._table.Vector(offset), self._table.VectorLen(offset)) if offset else (0, 0)

    def _place(self, field: int) -> int:
        offset = self._table.Offset(4 + 2 * field)
        return self._table.Pos + offset if offset else 0

"""Lists and objects in requests, whose length is checked before what is in them."""

from typing import Any

from rest_framework import serializers


class BoundedListField(serializers.ListField):
    """A list; a longer one than ``max_length`` is refused at once.

    The base class first collects the errors of every item, which take more memory than the body.
    """

    def to_internal_value(self, data: Any) -> list[Any]:
        most = self.max_length
        if isinstance(data, list) and most is not None and len(data) > most:
            self.fail("max_length", max_length=most)
        return super().to_internal_value(data)


class BoundedDictField(serializers.DictField):
    """An object; one with more members than ``max_length`` is refused at once."""

    default_error_messages = {
        "max_length": serializers.ListField.default_error_messages["max_length"]
    }

    def __init__(self, *, max_length: int, **kwargs: Any) -> None:
        self.max_length = max_length
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict) and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)

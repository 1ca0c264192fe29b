"""How long lists are told in parts."""

from rest_framework.pagination import LimitOffsetPagination


class Pages(LimitOffsetPagination):
    """``?limit=`` and ``?offset=``; a larger limit than the database can count to is cut."""

    max_limit = 1000

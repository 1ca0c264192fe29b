"""Pagination of the API's lists."""

from rest_framework.pagination import LimitOffsetPagination


class CappedPagination(LimitOffsetPagination):
    """``?limit=`` and ``?offset=``, with a maximum that also avoids overflows in the database."""

    max_limit = 1000

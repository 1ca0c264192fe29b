"""Restriction of generic API views to the requester's rows."""

from typing import Any

from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from web.storage.owners import OwnedQuerySet, Owner


class OwnerFilter(BaseFilterBackend):
    """Leaves only the rows of the account or session that sent the request."""

    def filter_queryset(self, request: Request, queryset: Any, view: Any) -> OwnedQuerySet:
        return queryset.of(Owner.of(request))

"""Throttling of API requests."""

from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle

from web.addresses import client_address


class AccountOrAddressThrottle(ScopedRateThrottle):
    """Counts requests per account, or per client address without an account."""

    def get_ident(self, request: Request) -> str:
        return client_address(request)

"""How often one client may ask."""

from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle

from web.addresses import client_address


class AccountOrAddressThrottle(ScopedRateThrottle):
    """Counts the requests of one account, or without an account those of one address."""

    def get_ident(self, request: Request) -> str:
        return client_address(request)

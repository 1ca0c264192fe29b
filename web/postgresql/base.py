"""Django's PostgreSQL, whose pool does not let requests wait for a server that is away.

psycopg's pool opens connections in the background: whoever needs one waits for its whole time-out,
and after a restart of the server meets the dead connections one by one.
"""

import threading
import time
from typing import Any

from django.db.backends.postgresql import base
from psycopg import OperationalError
from psycopg_pool import ConnectionPool, PoolTimeout

# How long a server that could not be reached is left alone.
PAUSE_S = 1

_lock = threading.Lock()
# Whether the server has responded since a connection was last found dead.
_is_reached = False
_away_until_s = 0.0


class DatabaseWrapper(base.DatabaseWrapper):
    """A database that raises ``OperationalError`` at once while its server is away.

    While the server responds and all connections are in use, threads wait for one.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if not self.pool:
            return super().get_new_connection(conn_params)
        self._reach_server(conn_params)
        try:
            connection = super().get_new_connection(conn_params)
        except PoolTimeout:
            _forget_server()
            raise
        if _is_alive(connection):
            return connection
        self.pool.putconn(connection)
        _forget_server()
        self._reach_server(conn_params)
        return super().get_new_connection(conn_params)

    def _reach_server(self, conn_params: dict[str, Any]) -> None:
        """Connect to the server outside the pool, unless the pool is known to have working
        connections.
        """
        global _is_reached, _away_until_s
        if _is_reached:
            return
        with _lock:
            if _is_reached:
                return
            if time.monotonic() < _away_until_s:
                raise OperationalError("the server could not be reached a moment ago")
            try:
                self.Database.connect(**conn_params).close()
            except OperationalError:
                _away_until_s = time.monotonic() + PAUSE_S
                raise
            # Those that the server ended while it was away.
            self.pool.drain()
            _is_reached = True


def _forget_server() -> None:
    global _is_reached
    _is_reached = False


def _is_alive(connection: Any) -> bool:
    try:
        ConnectionPool.check_connection(connection)
    except OperationalError:
        return False
    return True

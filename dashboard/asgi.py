"""The door for daphne: HTTP to Django, the sockets of the dashboard and of programs to their own."""

import asyncio
import os
import sys
from typing import Any

from django.core.asgi import get_asgi_application

from queues.errors import ConfigurationError
from queues.options import get_options

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
try:
    pages = get_asgi_application()
    if not get_options().use_job_queue:
        from queues.inprocess.process import runner

        # What an earlier process left is found and run, whether somebody adds or not.
        runner()
except ConfigurationError as error:
    sys.exit(str(error))

# These need Django's apps, which the lines above have loaded.
from channels.routing import ProtocolTypeRouter

from dashboard import body_limit, draining, patience
from dashboard.live.consumer import LiveConsumer
from dashboard.live.socket import socket
from dashboard.socket_door import SocketDoor
from queues.actions.audit import settle


async def http(scope: Any, receive: Any, send: Any) -> None:
    """Django; a server that is told to stop cuts the request, and waits here for the action and its audit row."""
    try:
        # A stream that nobody reads is noticed at the server alone.
        await pages({**scope, "toril_send": send}, receive, send)
    except asyncio.CancelledError:
        await settle()
        raise


body_limit.install()
patience.install()
draining.install()
application = ProtocolTypeRouter({"http": http, "websocket": SocketDoor(LiveConsumer.as_asgi(), socket)})

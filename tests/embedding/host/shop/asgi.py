import os

from django.core.asgi import get_asgi_application

from dashboard.embedding import sockets

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
application = sockets(get_asgi_application())

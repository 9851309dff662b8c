from django.apps import AppConfig


class ShopQueues(AppConfig):
    """The host has an app labelled `queues` too: those at its tills."""

    name = "shop.queues"
    label = "queues"

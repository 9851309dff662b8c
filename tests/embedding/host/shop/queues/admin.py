from django.contrib import admin

from shop.queues.models import Till

admin.site.register(Till)

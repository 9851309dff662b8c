import os

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import include, path


@login_not_required
def front(request):
    return render(request, "base.html")


@login_not_required
def own_metrics(request):
    return HttpResponse("the host's own")


urlpatterns = [
    path("", front),
    path("metrics", own_metrics),
    path(os.environ.get("MOUNT", ""), include("dashboard.embedding.urls")),
    path("admin/", admin.site.urls),
]

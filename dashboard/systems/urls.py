"""The five systems' addresses: entries for programs, forms for people."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from dashboard.systems import forms
from dashboard.systems.entries import chat, pages, papers, scans, texts

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/pages", pages.pages),
    path("api/pages/<uuid:page_id>", pages.page),
    path("api/papers", papers.papers),
    path("api/papers/<uuid:paper_id>", papers.paper),
    path("api/chat", chat.chat),
    path("api/deep-research/start", chat.research),
    path("api/deep-research/states/<uuid:state_id>", chat.state),
    path("api/messages", chat.messages),
    path("api/messages/<uuid:message_id>", chat.message),
    path("api/scans", scans.scans),
    path("api/scans/<segment:scan_id>", scans.scan),
    path("v1/jobs", texts.jobs),
    path("v1/jobs/<segment:name>", texts.job),
    path("admin/queues/systems", forms.first),
    path("admin/queues/systems/<str:name>", forms.form_page),
]

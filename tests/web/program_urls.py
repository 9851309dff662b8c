"""The site with the five systems' addresses, which are absent where the demonstration is off."""

from __future__ import annotations

from importlib import import_module

from dashboard import urls as site

# After the site's, which name the kinds of parts that paths have.
_known = {str(each.pattern) for each in site.urlpatterns}
_systems = import_module("dashboard.systems.urls").urlpatterns
urlpatterns = [*(each for each in _systems if str(each.pattern) not in _known), *site.urlpatterns]
handler400, handler403, handler404, handler500 = site.handler400, site.handler403, site.handler404, site.handler500

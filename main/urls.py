"""The site's addresses."""

from csp.decorators import csp_update
from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView
from oauth2_provider.urls import base_urlpatterns as oauth2_urlpatterns
from oauth2_provider.views import AuthorizationView

admin.site.site_header = admin.site.site_title = "MITx Online certificates"
admin.site.index_title = "Learners, courses and certificates"
admin.site.index_template = "admin/openedx_certificates/index.html"
# "View site" would lead nowhere: the learners' pages are the monolith's.
admin.site.site_url = None

urlpatterns = [
    # The first: patterns are tried in order, and most requests are events.
    path("api/", include("openedx.urls")),
    path("", include("main.monitoring_urls")),
    path("admin/", admin.site.urls),
    # A user that agrees is sent on to the client's address, and a browser limits a form's targets.
    path("oauth2/authorize/", csp_update({"form-action": ["https:"]})(AuthorizationView.as_view())),
    # The protocol's own endpoints only: applications and tokens are managed in the admin.
    path("oauth2/", include((oauth2_urlpatterns, "oauth2_provider"))),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("", include("openedx_certificates.credentials.urls")),
    path("certificate/", include("courses.urls")),
]

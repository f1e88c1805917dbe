"""The addresses that machines ask: load balancers, and Prometheus."""

from django.urls import path

from main.health import live, ready
from main.metrics import metrics

# Each has a second, unnamed address with a slash at the end: a machine follows no redirect.
urlpatterns = [
    path("healthz/live", live, name="health-live"),
    path("healthz/live/", live),
    path("healthz/ready", ready, name="health-ready"),
    path("healthz/ready/", ready),
    path("metrics", metrics, name="metrics"),
    path("metrics/", metrics),
]

"""The timeline's addresses."""

from django.urls import path

from project.timeline import views

urlpatterns = [
    path("timeline/", views.timeline, name="timeline"),
    path("api/v1/statuses", views.create_status, name="create-status"),
]

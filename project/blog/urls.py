"""The blog's addresses."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from project.blog import views

urlpatterns = [
    path("", views.posts, name="posts"),
    path("posts/<int:pk>/", views.post, name="post"),
    path("posts/<int:pk>/comments/", views.comments, name="comments"),
    path("comments/<int:pk>/flag/", views.flag, name="flag"),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("healthz", views.healthz, name="healthz"),
]

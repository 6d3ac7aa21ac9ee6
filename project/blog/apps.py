"""The blog's place among the apps."""

from django.apps import AppConfig


class BlogConfig(AppConfig):
    name = "project.blog"
    label = "blog"

"""The editor's desk."""

from django.contrib import admin

from project.blog.models import Comment, Post


@admin.register(Post)
class PostAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("title", "published")
    search_fields = ("title", "text")


@admin.register(Comment)
class CommentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "post", "status", "verdict", "flags", "created")
    list_filter = ("status", "post")
    search_fields = ("name", "text")
    date_hierarchy = "created"
    list_select_related = ("post",)

import pytest

from project.blog.models import Post


@pytest.fixture
def post(db):
    return Post.objects.create(title="On tubes", summary="Short.", text="One.\n\nTwo.")

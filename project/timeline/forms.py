"""What the API takes."""

from typing import ClassVar

from django import forms

from project.timeline.models import Status


class StatusForm(forms.Form):
    MAX_LENGTHS: ClassVar = {field.name: field.max_length for field in Status._meta.concrete_fields}

    status = forms.CharField(max_length=MAX_LENGTHS["text"])
    idempotency_key = forms.CharField(max_length=MAX_LENGTHS["idempotency_key"], required=False, empty_value=None)

"""What readers can send."""

from typing import ClassVar

from django import forms

from project.blog.models import Comment


class CommentForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Comment
        fields: ClassVar = ["name", "email", "text"]
        labels: ClassVar = {"email": "Email (never shown)", "text": "Comment"}
        widgets: ClassVar = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "email": forms.EmailInput(attrs={"autocomplete": "email"}),
            "text": forms.Textarea(attrs={"rows": 5}),
        }


class FlagForm(forms.Form):
    REASONS: ClassVar = [("rude", "Rude"), ("spam", "Spam"), ("wrong", "Plainly wrong")]

    reason = forms.ChoiceField(choices=REASONS)

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Post",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("title", models.CharField(max_length=120, unique=True)),
                ("summary", models.CharField(max_length=240)),
                ("text", models.TextField()),
                ("published", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ("-published",),
            },
        ),
        migrations.CreateModel(
            name="Comment",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("name", models.CharField(max_length=60)),
                ("email", models.EmailField(blank=True, max_length=254)),
                ("text", models.TextField(max_length=2000)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "waiting for the spam check"),
                            ("published", "published"),
                            ("spam", "spam"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                (
                    "verdict",
                    models.CharField(blank=True, help_text="Why the spam check judged as it did.", max_length=200),
                ),
                ("flags", models.PositiveIntegerField(default=0, help_text="How many readers flagged it.")),
                ("created", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "post",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="comments", to="blog.post"
                    ),
                ),
            ],
            options={
                "ordering": ("created", "pk"),
            },
        ),
    ]

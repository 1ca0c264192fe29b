from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("detect_video", "0004_verbose_names"),
    ]

    operations = [
        migrations.AddField(
            model_name="export",
            name="hidden_class_names",
            field=models.JSONField(default=list, editable=False),
        ),
        migrations.AddField(
            model_name="video",
            name="poster_bytes",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("detect_video", "0013_error_parts"),
    ]

    operations = [
        migrations.AddField(
            model_name="video",
            name="lines",
            field=models.JSONField(default=list, editable=False),
        ),
        migrations.AddField(
            model_name="video",
            name="zones",
            field=models.JSONField(default=list, editable=False),
        ),
        migrations.AddField(
            model_name="rendering",
            name="show_tracks",
            field=models.BooleanField(default=False, editable=False, verbose_name="show tracks"),
        ),
        migrations.AddField(
            model_name="rendering",
            name="lines",
            field=models.JSONField(default=list, editable=False),
        ),
        migrations.AddField(
            model_name="rendering",
            name="zones",
            field=models.JSONField(default=list, editable=False),
        ),
    ]

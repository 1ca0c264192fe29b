from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("detect_video", "0009_rendering"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="rendering",
            options={
                "ordering": ["-created_at"],
                "verbose_name": "rendered video",
                "verbose_name_plural": "rendered videos",
            },
        ),
        migrations.AlterField(
            model_name="rendering",
            name="heartbeat_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="last heartbeat"),
        ),
        migrations.AlterField(
            model_name="rendering",
            name="show_names",
            field=models.BooleanField(editable=False, verbose_name="show names"),
        ),
        migrations.AlterField(
            model_name="rendering",
            name="show_scores",
            field=models.BooleanField(editable=False, verbose_name="show scores"),
        ),
        migrations.AlterField(
            model_name="video",
            name="detect_fps",
            field=models.FloatField(default=0, editable=False, verbose_name="detection rate (fps)"),
        ),
        migrations.AlterField(
            model_name="video",
            name="heartbeat_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="last heartbeat"),
        ),
        migrations.AlterField(
            model_name="video",
            name="truncated",
            field=models.TextField(blank=True, editable=False, verbose_name="truncated"),
        ),
        migrations.AlterField(
            model_name="video",
            name="updated_at",
            field=models.DateTimeField(auto_now=True, verbose_name="updated"),
        ),
    ]

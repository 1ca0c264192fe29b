from django.db import migrations, models


def copy_from_video(apps, schema_editor):
    # Until now, all renderings of a video have been of the same detections.
    video = apps.get_model("detect_video", "Video")
    models_of_videos = video.objects.filter(pk=models.OuterRef("video")).values("model")
    renderings = apps.get_model("detect_video", "Rendering").objects
    renderings.update(model=models.Subquery(models_of_videos))


class Migration(migrations.Migration):
    dependencies = [
        ("detect_video", "0010_verbose_name_terms"),
    ]

    operations = [
        migrations.AddField(
            model_name="rendering",
            name="model",
            field=models.CharField(
                blank=True, default="", editable=False, max_length=100, verbose_name="model"
            ),
            preserve_default=False,
        ),
        migrations.RunPython(copy_from_video, migrations.RunPython.noop),
    ]

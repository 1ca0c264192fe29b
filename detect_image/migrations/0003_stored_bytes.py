from contextlib import suppress

from django.db import migrations, models


def measure(apps, schema_editor):
    """What is kept already counts as well."""
    for row in apps.get_model("detect_image", "DetectedImage").objects.iterator():
        for name in ("original", "drawn"):
            # Of a file that is gone there is nothing to count.
            with suppress(OSError, ValueError):
                row.size_bytes += getattr(row, name).size
        row.save(update_fields=["size_bytes"])


class Migration(migrations.Migration):
    dependencies = [
        ("detect_image", "0002_languages"),
    ]

    operations = [
        migrations.AddField(
            model_name="detectedimage",
            name="size_bytes",
            field=models.PositiveBigIntegerField(
                default=0, editable=False, verbose_name="size (bytes)"
            ),
        ),
        migrations.RunPython(measure, migrations.RunPython.noop, elidable=True),
    ]

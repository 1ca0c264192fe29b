from django.db import migrations, models

import detect_image.models


class Migration(migrations.Migration):
    dependencies = [
        ("detect_image", "0004_small_copies"),
    ]

    operations = [
        migrations.AlterField(
            model_name="detectedimage",
            name="drawn_small",
            field=models.FileField(
                blank=True,
                editable=False,
                upload_to=detect_image.models.thumbnail_path,
                verbose_name="thumbnail of the drawn picture",
            ),
        ),
        migrations.AlterField(
            model_name="detectedimage",
            name="original_small",
            field=models.FileField(
                blank=True,
                editable=False,
                upload_to=detect_image.models.thumbnail_path,
                verbose_name="thumbnail of the original",
            ),
        ),
    ]

from django.db import migrations, models

import classify.models


class Migration(migrations.Migration):
    dependencies = [
        ("classify", "0005_kept_picture"),
    ]

    operations = [
        migrations.AlterField(
            model_name="classifiedimage",
            name="file_small",
            field=models.FileField(
                blank=True,
                editable=False,
                upload_to=classify.models.thumbnail_path,
                verbose_name="thumbnail",
            ),
        ),
    ]

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("detect_image", "0005_verbose_name_terms"),
    ]

    operations = [
        migrations.RenameField("detectedimage", "original_small", "original_thumbnail"),
        migrations.RenameField("detectedimage", "drawn_small", "drawn_thumbnail"),
    ]

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("classify", "0006_verbose_name_terms"),
    ]

    operations = [
        migrations.RenameField("classifiedimage", "file_small", "file_thumbnail"),
    ]

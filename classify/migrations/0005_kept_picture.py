from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("classify", "0004_small_copies"),
    ]

    operations = [
        migrations.AlterField(
            model_name="classifiedimage",
            name="model",
            field=models.CharField(
                db_index=True, editable=False, max_length=100, verbose_name="model"
            ),
        ),
    ]

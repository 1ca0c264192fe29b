import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def rename_permissions(apps, old, new):
    """Move the permissions, and so who holds them, which RenameModel leaves under the old name."""
    permissions = apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="detect_video", content_type__model__in=[old, new]
    )
    for permission in permissions.filter(codename__endswith=f"_{old}"):
        permission.codename = permission.codename.removesuffix(old) + new
        permission.save(update_fields=["codename"])


def rename_to_rendering(apps, schema_editor):
    rename_permissions(apps, "export", "rendering")


def rename_to_export(apps, schema_editor):
    rename_permissions(apps, "rendering", "export")


class Migration(migrations.Migration):
    dependencies = [
        ("detect_video", "0008_turns_index"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RenameModel(old_name="Export", new_name="Rendering"),
        migrations.AlterField(
            model_name="rendering",
            name="video",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="renderings",
                to="detect_video.video",
                verbose_name="video",
            ),
        ),
        migrations.RunPython(rename_to_rendering, rename_to_export),
    ]

from ml_core.labels import CIFAR10_LABELS, COCO_LABELS, class_names, shown_name


def test_every_class_of_coco_and_cifar10_has_a_chinese_name_and_nothing_else_has():
    assert set(class_names("zh-hans")) == {*COCO_LABELS, *CIFAR10_LABELS}


def test_no_two_classes_of_a_network_share_a_chinese_name():
    for labels in (COCO_LABELS, CIFAR10_LABELS):
        assert len({shown_name(label, "zh-hans") for label in labels}) == len(labels)


def test_names_that_no_table_knows_stay_as_they_are():
    assert shown_name("tomato", "zh-hans") == "tomato"
    assert shown_name("dog", "en") == "dog"
    assert shown_name("dog", "../zh-hans") == "dog"

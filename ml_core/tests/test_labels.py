from ml_core.labels import CIFAR10_LABELS, COCO_LABELS, class_names, shown_name


def test_exactly_the_classes_of_coco_and_cifar10_have_chinese_names():
    assert set(class_names("zh-hans")) == {*COCO_LABELS, *CIFAR10_LABELS}


def test_chinese_names_are_unique_within_a_network():
    for labels in (COCO_LABELS, CIFAR10_LABELS):
        assert len({shown_name(label, "zh-hans") for label in labels}) == len(labels)


def test_names_without_a_translation_are_unchanged():
    assert shown_name("tomato", "zh-hans") == "tomato"
    assert shown_name("dog", "en") == "dog"
    assert shown_name("dog", "../zh-hans") == "dog"

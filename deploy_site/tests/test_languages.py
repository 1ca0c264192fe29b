"""English and Chinese: choosing the language, and complete translations."""

import ast
import gettext
import io
import json
import re
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from channels.testing import WebsocketCommunicator
from django.apps import apps
from django.conf import settings
from django.utils.translation import override
from django.utils.translation.template import templatize

from deploy_site.asgi import application
from web.middleware.body_limit import BodyLimit
from web.problem_texts import shown_detail

ROOT = Path(settings.BASE_DIR)
MESSAGES = Path(settings.LOCALE_PATHS[0]) / "zh_Hans" / "LC_MESSAGES" / "django.po"
MARKS = {"_", "Phrase", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy"}
TEMPLATE_TEXT = re.compile(r"""(?:\b_|gettext)\(\s*(u?"(?:[^"\\]|\\.)*"|u?'(?:[^'\\]|\\.)*')""")

PAGES = ["/", "/classify/", "/detect-image/", "/detect-image/server/", "/detect-image/pictures/"]
PAGES += ["/models/"]
PAGES += ["/detect-video/", "/detect-camera/", "/accounts/sign-in/", "/accounts/sign-up/"]
PAGES += ["/nothing/"]
CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}

# Texts that are the same in every language: names of products, formats, models, licences and units.
CODE = re.compile(r"<(script|code|pre).*?</\1>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")
LATIN_WORDS = re.compile(r"[A-Za-z][A-Za-z']+(?: [A-Za-z][A-Za-z']+)+")
NAMES = re.compile(
    r"JSON Lines|YOLO License|Yolo-Fastest|ResNet v|python manage.py fetch_models|\w+\.(?:jpg|py)"
)


@pytest.fixture(scope="module")
def messages():
    with MESSAGES.open("rb") as file:
        return read_po(file, locale="zh_Hans")


def texts_of(python: str) -> set[str]:
    calls = [node for node in ast.walk(ast.parse(python)) if isinstance(node, ast.Call)]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in MARKS
        if call.args and isinstance(call.args[0], ast.Constant)
    }


def texts_in_use() -> set[str]:
    """The texts that templates and Python code mark for translation."""
    own_apps = [path for app in apps.get_app_configs() if (path := Path(app.path)).parent == ROOT]
    found: set[str] = set()
    for folder in [*own_apps, ROOT / "templates"]:
        for path in (*folder.rglob("*.html"), *folder.rglob("*.txt")):
            template = templatize(path.read_text(encoding="utf-8"))
            found |= set(map(ast.literal_eval, TEMPLATE_TEXT.findall(template)))
        for path in folder.rglob("*.py"):
            if "tests" not in path.parts:
                found |= texts_of(path.read_text(encoding="utf-8"))
    return found


def test_every_text_is_translated_and_no_translation_is_unused(messages):
    known = {message.id if isinstance(message.id, str) else message.id[0] for message in messages}
    used = texts_in_use()

    assert len(used) > 300
    assert used == known - {""}


def problem_codes() -> set[str]:
    """The codes of all problems that our code raises, or answers with before Django is reached."""
    literal = re.compile(r"""\bcode ?= ?"(\w+)"|[^_]\bproblem\(\d+, "(\w+)\"""")
    own_apps = [path for app in apps.get_app_configs() if (path := Path(app.path)).parent == ROOT]
    sources = [path for folder in own_apps for path in folder.rglob("*.py")]
    sources += (ROOT / "deploy_site").glob("*.py")
    texts = [path.read_text(encoding="utf-8") for path in sources if "tests" not in path.parts]
    return {code for text in texts for match in literal.findall(text) for code in match if code}


# Field errors have their own messages; the other code only appears in the schema.
WITHOUT_TEXT = {"invalid_parameters", "range_not_satisfiable"}


def test_every_problem_code_has_a_chinese_text():
    codes = problem_codes() - WITHOUT_TEXT

    with override("zh-hans"):
        shown = {code: shown_detail(code, "English") for code in codes}

    assert {"body_too_slow", "busy", "wrong_offset", "image_truncated"} <= codes
    assert [code for code, text in shown.items() if text == "English"] == []


@pytest.mark.parametrize(
    "header",
    [(b"accept-language", b"zh-CN,zh;q=0.9"), (b"cookie", b"a=b; django_language=zh-hans")],
)
@pytest.mark.parametrize(
    ("announced", "more"), [(b"101", ()), (b"0", ((b"transfer-encoding", b"chunked"),))]
)
async def test_errors_of_asgi_middleware_have_the_clients_language(header, announced, more):
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    headers = [header, (b"content-length", announced), *more]
    await BodyLimit(None, max_bytes=100)({"type": "http", "headers": headers}, None, send)

    answer = json.loads(sent[1]["body"])
    assert answer["status"] in (411, 413) and "请求" in answer["detail"]
    assert ("100 字节" in answer["detail"]) is (answer["status"] == 413)


def test_no_translation_is_missing_or_fuzzy(messages):
    assert [message.id for message in messages if message.fuzzy or not message.string] == []


def test_chinese_is_polite_and_has_no_space_after_a_full_stop(messages):
    texts = [text for message in messages for text in [message.string] if isinstance(text, str)]

    assert [text for text in texts if "你" in text or re.search(r"。\s", text.strip())] == []


def test_translations_have_the_same_placeholders(messages):
    place = re.compile(r"%\(\w+\)s|\{\w+(?::[^}]*)?\}|</?\w+>")
    for message in messages:
        if message.id and isinstance(message.id, str):
            assert sorted(place.findall(message.id)) == sorted(place.findall(message.string))


def test_the_compiled_messages_are_up_to_date(messages):
    compiled = io.BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)

    with MESSAGES.with_suffix(".mo").open("rb") as file:
        committed = gettext.GNUTranslations(file)._catalog

    expected = gettext.GNUTranslations(compiled)._catalog
    assert {key: text for key, text in committed.items() if key} == {
        key: text for key, text in expected.items() if key
    }


def english_left_in(page: str) -> list[str]:
    attributes = re.findall(r'(?:aria-label|alt|title|placeholder|data-[\w-]+)="([^"]*)"', page)
    visible = " \n ".join([TAG.sub(" \n ", CODE.sub("", page)), *attributes])
    return LATIN_WORDS.findall(NAMES.sub("", visible))


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
def test_pages_in_chinese_contain_no_english(client, path, toy_detector):
    page = client.get(path, headers=CHINESE).content.decode()

    assert '<html lang="zh-hans">' in page
    assert english_left_in(page) == []
    assert re.findall(r"。\s+[\u4e00-\u9fff]", page) == []


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/accounts/", "/accounts/tokens/", "/accounts/password/"])
def test_account_pages_in_chinese_contain_no_english(client, admin_user, path, toy_detector):
    client.force_login(admin_user)

    assert english_left_in(client.get(path, headers=CHINESE).content.decode()) == []


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
def test_pages_in_english_contain_no_chinese_but_the_switch(client, path, toy_detector):
    page = client.get(path, headers={"Accept-Language": "en-GB,en;q=0.9"}).content.decode()

    assert '<html lang="en">' in page
    assert re.findall(r"[\u4e00-\u9fff]+", page) == ["简体中文"]
    assert "class-names" not in page


@pytest.mark.django_db
@pytest.mark.parametrize(("accepted", "language"), [("zh-CN", "zh-hans"), ("en", "en")])
@pytest.mark.parametrize("path", ["/api/videos/", "/api/models/", "/api/detect/image/"])
def test_pages_of_the_api_declare_their_language(client, path, accepted, language):
    page = client.get(path, headers={"accept": "text/html", "accept-language": accepted})

    assert f'<html lang="{language}">' in page.content.decode()


def test_other_languages_get_english(client, toy_detector):
    assert "Six stages" in client.get("/", headers={"Accept-Language": "fr"}).content.decode()
    assert "Six stages" in client.get("/").content.decode()


TRADITIONAL = ["zh-TW,zh;q=0.9,en;q=0.8", "zh-HK", "zh-MO,zh;q=0.5", "zh-Hant", "zh-Hant-TW,zh"]


@pytest.mark.django_db
@pytest.mark.parametrize("accepted", TRADITIONAL)
def test_a_browser_in_traditional_chinese_gets_english_unless_it_chooses(
    client, accepted, toy_detector
):
    headers = {"Accept-Language": accepted}

    assert '<html lang="en">' in client.get("/", headers=headers).content.decode()
    client.post("/i18n/setlang/", {"language": "zh-hans"}, headers=headers)
    assert '<html lang="zh-hans">' in client.get("/", headers=headers).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("accepted", ["zh", "zh-CN", "zh-SG", "zh-Hans-HK", "zh-TW,zh-CN;q=0.5"])
def test_a_browser_that_reads_simplified_chinese_gets_it(client, accepted, toy_detector):
    page = client.get("/", headers={"Accept-Language": accepted}).content.decode()

    assert '<html lang="zh-hans">' in page


@pytest.mark.django_db
def test_the_administration_in_chinese_names_every_app_and_table_in_chinese(
    admin_client, toy_detector
):
    page = admin_client.get("/admin/", headers=CHINESE).content.decode()

    names = re.findall(r'<a href="/admin/[a-z_]+/[a-z/]*"[^>]*>([^<]*)</a>', page)
    assert len(names) > 8
    assert [name for name in names if LATIN_WORDS.search(name)] == []


@pytest.mark.django_db
def test_the_switch_keeps_the_page_and_overrides_the_browser(client, toy_detector):
    choice = {"language": "zh-hans", "next": "/detect-image/pictures/?page=1"}

    response = client.post("/i18n/setlang/", choice)
    english = {"Accept-Language": "en"}
    page = client.get(response["Location"], headers=english).content.decode()

    assert response["Location"] == "/detect-image/pictures/?page=1"
    assert "我的图片" in page
    assert 'name="next" value="/detect-image/pictures/?page=1"' in page
    assert '<button name="language" value="en" lang="en">English</button>' in page


@pytest.mark.django_db
def test_the_switch_does_not_redirect_to_other_sites(client, toy_detector):
    choice = {"language": "zh-hans", "next": "https://elsewhere.example/"}

    assert client.post("/i18n/setlang/", choice)["Location"] == "/"


@pytest.mark.django_db
def test_a_closed_site_has_the_switch_on_its_login(client, settings, toy_detector):
    settings.REQUIRE_LOGIN = True

    client.post("/i18n/setlang/", {"language": "zh-hans", "next": "/accounts/sign-in/"})

    assert "<h1>登录</h1>" in client.get("/accounts/sign-in/").content.decode()


@pytest.mark.django_db
def test_the_language_of_the_api_affects_problems_but_not_class_names(client, toy_detector):
    file = io.BytesIO(b"no picture")
    problem = client.post("/api/classify/", {"image": file}, headers=CHINESE).json()
    models = client.get("/api/models/", headers=CHINESE).json()

    assert problem["code"] == "unsupported_media_type"
    assert problem["detail"] == "这不是受支持格式（JPEG, PNG, WEBP, BMP）的图片。"
    assert "person" in next(model for model in models if model["name"] == "yolov3")["class_names"]


@pytest.mark.django_db
def test_problems_in_english_contain_figures(client, toy_detector):
    file = io.BytesIO(b"no picture")

    detail = client.post("/api/classify/", {"image": file}).json()["detail"]

    assert "JPEG" in detail


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("parameters", "detail"),
    [
        ({"score_threshold": "abc"}, "score_threshold: 应为 0 到 1 之间的数字，收到的是 'abc'。"),
        ({"return": "x"}, "return: 应为 json, base64, url 之一，收到的是 'x'。"),
        ({"show_names": "maybe"}, "show_names: 必须是有效的布尔值。收到的是 'maybe'。"),
        ({"model": "nobody"}, "没有名为 'nobody' 的检测模型。"),
        ({"model": "yolov3"}, "此服务器上尚未安装模型 yolov3。"),
        ({"image": "a,b"}, "base64 文本中含有 base64 不使用的字符 ','。"),
        ({"image": "abcde"}, "base64 文本不完整"),
    ],
)
def test_chinese_problems_contain_what_was_expected_and_received(
    client, toy_detector, parameters, detail
):
    body = parameters if "image" in parameters else {"gallery": "street.jpg", **parameters}

    problem = client.post("/api/detect/image/", body, headers=CHINESE).json()

    assert problem["detail"].startswith(detail)


@pytest.mark.django_db
def test_large_pictures_and_full_storage_have_figures_in_chinese(client, settings, toy_detector):
    settings.LIMITS = {**settings.LIMITS, "image_pixels": 1000, "owner_bytes": 10}
    ask = {"gallery": "street.jpg"}

    large = client.post("/api/detect/image/", ask, headers=CHINESE).json()
    full = client.post("/api/detect/image/?store=true", ask, headers=CHINESE).json()

    assert "最多接受 1,000 像素" in large["detail"] and large["code"] == "image_too_large"
    assert "已使用 10 字节中的 0 字节" in full["detail"] and full["code"] == "quota_exceeded"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ((b"accept-language", b"zh-CN"), "没有名为 'nobody' 的检测模型。"),
        ((b"cookie", b"django_language=zh-hans"), "没有名为 'nobody' 的检测模型。"),
        ((b"accept-language", b"en"), "There is no detection model 'nobody'."),
        ((b"accept-language", b"zh-TW"), "There is no detection model 'nobody'."),
    ],
)
async def test_sockets_use_the_language_of_their_page(toy_detector, header, detail):
    origin = (b"origin", b"http://localhost")
    path = "/ws/camera/?model=nobody"
    socket = WebsocketCommunicator(application, path, headers=[origin, header])
    await socket.connect()

    message = json.loads(await socket.receive_from(timeout=10))

    assert message["code"] == "unknown_model"
    assert message["detail"].startswith(detail)
    await socket.disconnect()

"""Settings, each of which the environment or a ``.env`` file may set (see ``.env.example``).

Without any of them the site runs on the loopback interface, with SQLite and in one process.
"""

import mimetypes
import os
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.management.utils import get_random_secret_key
from django.utils.translation import gettext_lazy as _
from pythonjsonlogger.core import RESERVED_ATTRS

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
env.read_env(BASE_DIR / ".env", encoding="utf-8-sig")

# TensorFlow comments on each of its starts; only warnings are of use here.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def kept_secret_key(path: Path) -> str:
    """The key in ``path``, made at the first start; only the owner may read the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # Complete or not there at all, and of processes that start together the first one's.
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent) as file:
            file.write(get_random_secret_key())
            file.flush()
            with suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text(encoding="utf-8")


# Where the site writes, and nowhere else.
DATA_DIR = (BASE_DIR / env("DATA_DIR", default="var")).resolve()

# --- Serving ---

HOST = env("HOST", default="127.0.0.1")
PORT = env.int("PORT", default=8000)
# How commands on this machine reach the site.
OWN_URL = f"http://127.0.0.1:{PORT}"
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY", default="") or kept_secret_key(DATA_DIR / "secret_key")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *env.list("ALLOWED_HOSTS", default=[])]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# --- Models ---

MODEL_DIR = (BASE_DIR / env("MODEL_DIR", default=str(DATA_DIR / "models"))).resolve()
# Converted models, made again whenever they are missing.
CONVERTED_DIR = (BASE_DIR / env("CONVERTED_DIR", default=str(DATA_DIR / "converted"))).resolve()
# The models used when a request names none; empty: yolov3, else the best one installed, and the
# classifier that comes with the project.
DETECTOR = env("DETECTOR", default="")
CLASSIFIER = env("CLASSIFIER", default="")
ENGINE = env("ENGINE", default="auto")
PRECISION = env("PRECISION", default="auto")

# Pictures of the server's own that visitors may choose from; only files right in this folder.
GALLERY_DIR = (BASE_DIR / env("GALLERY_DIR", default="static/samples")).resolve()

# Everything that is capped, in one place.
LIMITS = {
    # HTTP requests in progress, and open WebSockets: all of them (the last quarter for addresses
    # with few of them), and those of one address.
    "connections": 200,
    "connections_per_address": 60,
    "websockets": 200,
    "websockets_per_address": 60,
    # A request's headers from their first byte on; its body is refused as too slow when fewer bytes
    # than these arrive in the time (1 KiB in a second; a phone far from its antenna sends 5).
    "headers_seconds": 10,
    "slow_body_seconds": 30,
    "slow_body_bytes": 30 * 2**10,
    # A picture's file, and a request's body around it (base64 takes a third more).
    "image_bytes": 10 * 10**6,
    "body_bytes": 15 * 10**6,
    "image_pixels": 25_000_000,
    # What an npz file to train a classifier on holds once it is unpacked, which is in memory.
    "npz_bytes": 4 * 10**9,
    # Boxes in one answer.
    "detections": 300,
    # Decoded pictures at one time; who comes later waits with the file.
    "pictures_in_memory": 8,
    # Pictures waiting for one model; more are turned away.
    "queued_pictures": 64,
    # From the queue to the answer.
    "inference_seconds": 30,
    # One camera's frame, and how many of them in a second are taken for an attack.
    "camera_frame_bytes": 500 * 10**3,
    "camera_frame_pixels": 2_500_000,
    "camera_frames_per_second": 120,
    # Frames of all cameras that are decoded or detected in at one time.
    "camera_frames_in_work": 8,
    # Cameras at one time: all, those of one owner, and those of one address, which can have any
    # number of sessions.
    "cameras": 50,
    "cameras_per_owner": 3,
    "cameras_per_address": 15,
    # After so long without a frame a camera's place is given to others.
    "camera_idle_seconds": 30,
    # A video's file, and the pieces it is sent in.
    "video_bytes": 500 * 10**6,
    "video_chunk_bytes": 5 * 10**6,
    # What is left free on the disk.
    "free_bytes": 200 * 10**6,
    # Uploads that are not complete, at one time.
    "uploads_per_owner": 5,
    "uploads_per_address": 30,
    # How long one is kept that broke off, and one of which no byte has come.
    "upload_seconds": 24 * 3600,
    "announcement_seconds": 600,
    # Worked on at one time; the others wait.
    "video_jobs": 2,
    "export_jobs": 1,
    # What the work on one video may take, its detection as well as one export: at least, and for
    # each second of its length.
    "job_seconds": 600,
    "job_seconds_per_video_second": 120,
    # WebSockets on videos, of one owner, of one address, and in all.
    "video_sockets_per_owner": 3,
    "video_sockets_per_address": 15,
    "video_sockets": 50,
    # After so long without a message either way, while nothing works on the video, one is closed.
    "video_socket_idle_seconds": 120,
    # Memory of the decoders behind them, all together; who needs more waits.
    "watched_videos_bytes": 2**30,
    # Pixels of a frame, lying or standing.
    "video_longer_side": 4096,
    "video_shorter_side": 2304,
    "video_seconds": 600,
    "video_fps": 60,
    # The process that decodes: until the next frame, processor time in all, and memory.
    "video_frame_seconds": 15,
    "video_decode_cpu_seconds": 3600,
    "video_decode_bytes": 2**30,
    # A browser's recording that becomes an AVI file, one at a time: its length, the time that
    # takes, and the file.
    "recording_seconds": 60,
    "recording_work_seconds": 120,
    "recording_bytes": 300 * 10**6,
    "tokens_per_account": 50,
    # From one address: tries with a wrong name or password, new accounts, links for new passwords.
    "failed_sign_ins_per_hour": 50,
    "sign_ups_per_hour": 20,
    "password_resets_per_hour": 20,
    # What one owner may keep, and all visitors without an account together; 0: as much as fits.
    "owner_bytes": 2 * 10**9,
    "visitors_bytes": 20 * 10**9,
}
# Each may be set by the environment, as LIMIT_IMAGE_BYTES and so on.
LIMITS = {name: env.int(f"LIMIT_{name.upper()}", default=most) for name, most in LIMITS.items()}

# After how many days manage.py purge_media deletes what users keep; 0: never, except that what
# visitors without an account keep goes with their session, SESSION_COOKIE_AGE after the last visit.
RETENTION_DAYS = env.int("RETENTION_DAYS", default=0)

# Whether the serving process also works on what waits: detection in videos, and their exports.
RUN_JOBS = env.bool("RUN_JOBS", default=True)

# --- Application ---

INSTALLED_APPS = [
    # First, so that its runserver (ASGI) takes the place of Django's.
    "daphne",
    # Before the admin, whose index page it adds to.
    "operation",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "axes",
    "deploy_site",
    "accounts",
    "web",
    "ml_core",
    "classify",
    "detect_image",
    "detect_video",
    "detect_camera",
    # Last, so that it sees every model: deletes the files of deleted rows.
    "django_cleanup.apps.CleanupConfig",
]

MIDDLEWARE = [
    "operation.metrics.RequestMetrics",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "web.middleware.visits.VisitMiddleware",
    "web.middleware.languages.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "web.problems.ProblemMiddleware",
    "accounts.middleware.TokenMiddleware",
    "accounts.middleware.RequireLoginMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "deploy_site.urls"
ASGI_APPLICATION = "deploy_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "web.context_processors.detector",
                "web.context_processors.class_names",
            ],
        },
    },
]

# --- Data ---

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'db.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Without WAL and IMMEDIATE, writers that meet are refused instead of waiting in turn. With FULL
    # what was answered outlasts a power cut, for a third of a millisecond a transaction.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 10,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    # In memory, threads would be refused instead of waiting in turn.
    DATABASES["default"]["TEST"] = {"NAME": DATA_DIR / "test.sqlite3"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# With Redis several processes can serve one site; without it, one.
REDIS_URL = env("REDIS_URL", default="")
if REDIS_URL:
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    CACHES = {"default": redis, "attempts": {**redis, "KEY_PREFIX": "attempts"}}
else:
    in_memory = {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # A full cache forgets its oldest entries, and with them lockouts and throttles. This is
        # more than the 65,536 networks (/64) of an IPv6 site (/48), and takes about 35 MB.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
    # Lockouts have a cache of their own, where the entries of throttles take no room from them.
    CACHES = {"default": in_memory, "attempts": {**in_memory, "LOCATION": "attempts"}}

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
# SQLite and whitenoise want their folders to be there before the first command has run.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "web.keeping.storage.WholeFileStorage"},
    "staticfiles": {"BACKEND": "deploy_site.staticfiles.ModuleStaticFilesStorage"},
}
if DEBUG:
    STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    WHITENOISE_USE_FINDERS = True
# Some systems call JavaScript text/plain, which browsers then refuse to run as a module.
mimetypes.add_type("text/javascript", ".js", strict=True)

# --- Requests ---

REST_FRAMEWORK = {
    # Passwords are asked for on the login page only.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "web.rest.renderers.ApiPageRenderer",
    ],
    "EXCEPTION_HANDLER": "web.problems.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "DEFAULT_PAGINATION_CLASS": "web.rest.pagination.CappedPagination",
    "PAGE_SIZE": 50,
    "DEFAULT_SCHEMA_CLASS": "web.rest.schema.ApiSchema",
    # How often one account, or else one address, may ask; far above what people's clicks come to.
    "DEFAULT_THROTTLE_CLASSES": ["web.rest.throttling.AccountOrAddressThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "predictions": env("THROTTLE_PREDICTIONS", default="6000/min") or None,
        "uploads": env("THROTTLE_UPLOADS", default="6000/min") or None,
    },
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Vision models online",
    "DESCRIPTION": (
        "Classification of pictures, and object detection in pictures and videos. Errors are "
        "problems (RFC 9457) with a stable `code`. Requests to copy are on the pages for "
        "[classification](/classify/#terminal) and [detection](/detect-image/); live results of "
        "[videos](/detect-video/) and [cameras](/detect-camera/) are sent over WebSockets."
    ),
    "VERSION": "1",
    "DEFAULT_GENERATOR_CLASS": "web.rest.schema.ApiGenerator",
    # A request's files are bytes, an answer's are addresses.
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {"State": "detect_video.models.State"},
    "TAGS": [
        {"name": "classification", "description": "Classify a picture"},
        {"name": "pictures", "description": "Detect objects in a picture; kept pictures"},
        {"name": "videos", "description": "Detect objects in a video"},
        {"name": "site", "description": "Models and limits"},
    ],
}
DATA_UPLOAD_MAX_MEMORY_SIZE = LIMITS["body_bytes"]
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 2
FILE_UPLOAD_MAX_MEMORY_SIZE = 2**20
# Beside the media: there is room for what comes, or it is refused.
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "tmp"
FILE_UPLOAD_TEMP_DIR.mkdir(mode=0o750, exist_ok=True)
FILE_UPLOAD_PERMISSIONS = 0o640
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o750

# --- Security ---

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "worker-src": [SELF],
        "connect-src": [SELF],
        "img-src": [SELF, "blob:", "data:"],
        "media-src": [SELF, "blob:"],
        "style-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
CSRF_FAILURE_VIEW = "web.problems.csrf_failure"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SAMESITE = "Lax"
# In seconds; of a visitor without an account from the last visit on.
SESSION_COOKIE_AGE = 14 * 24 * 3600
# Addresses and networks of reverse proxies, whose X-Forwarded-For and -Proto are believed. From
# then on the client's address is known to all: throttles, the login's guard, the limits of sockets.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
# On when the site is reached by https, directly or through a proxy that says so.
HTTPS = env.bool("HTTPS", default=False)
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # Probes and Prometheus come from the same machine or network, without a proxy.
    SECURE_REDIRECT_EXEMPT = ["^livez$", "^readyz$", "^metrics$"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    LANGUAGE_COOKIE_SECURE = True
    # Raise it, to a year in the end, once https is known to stay.
    SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=3600)
    # Only who runs the whole domain knows whether all of it has https.
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("HSTS_SUBDOMAINS", default=False)
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# --- Accounts ---

# Closes every page, API and socket to who is not signed in.
REQUIRE_LOGIN = env.bool("REQUIRE_LOGIN", default=False)
# Whether visitors may make accounts themselves; a closed site has none made unless it says so.
SIGN_UP = env.bool("SIGN_UP", default=not REQUIRE_LOGIN)
LOGIN_URL = "accounts:sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
# How long a socket may outlive the session or the token that it was opened with.
SOCKET_CHECK_SECONDS = 30

AUTHENTICATION_BACKENDS = [
    # First, so that a locked address or name is refused even with the right password.
    "accounts.attempts.AddressLockoutBackend",
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(hours=1)
# Together, so that nobody can lock out somebody else.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "web.addresses.client_address"
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "accounts.pages.locked_out"
AXES_VERBOSE = False
# Its admin is in English only; manage.py axes_reset_username lifts a lockout.
AXES_ENABLE_ADMIN = False
# What axes keeps of a failed try: passwords of any form are none of it.
AXES_SENSITIVE_PARAMETERS = [
    "username",
    "ip_address",
    "old_password",
    "new_password1",
    "new_password2",
]
# Of those who get in nothing is kept.
AXES_DISABLE_ACCESS_LOG = True

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# --- E-mail ---

# Such as smtp+tls://user:password@mail.example.org:587; without it nobody can reset a password.
EMAIL_URL = env("EMAIL_URL", default="")
SENDS_EMAIL = bool(EMAIL_URL)
if SENDS_EMAIL:
    vars().update(env.email_url("EMAIL_URL"))
DEFAULT_FROM_EMAIL = env("EMAIL_FROM", default="vision@localhost")
EMAIL_TIMEOUT = 20

# --- Language and time ---

LANGUAGE_CODE = "en"
# A browser's own wish comes first, the switch on the pages before it.
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_TZ = True
TIME_ZONE = "UTC"

# --- Operation ---

# Who sends this as a bearer token may read /metrics; staff may in any case, nobody else.
METRICS_TOKEN = env("METRICS_TOKEN", default="")

# --- Logging ---

# "line" for people, "json" for programs that collect logs.
LOG_FORMAT = env("LOG_FORMAT", default="line")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s]: %(message)s"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(request_id)s %(message)s",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
            # uvicorn's message once more, for terminals.
            "reserved_attrs": [*RESERVED_ATTRS, "color_message"],
        },
    },
    "filters": {"request_id": {"()": "operation.request_ids.RequestIdFilter"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["console"], "level": "INFO"},
    # Counts at every login what it has not deleted.
    "loggers": {"axes": {"level": "WARNING"}},
}

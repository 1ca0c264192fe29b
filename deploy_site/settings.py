"""Django settings, configurable by the environment or a ``.env`` file (see ``.env.example``).

By default the site runs on the loopback interface, with SQLite and in one process.
"""

import mimetypes
import os
import sys
from datetime import timedelta
from pathlib import Path

from csp.constants import NONE, SELF
from django.core.management.utils import get_random_secret_key
from django.utils.translation import gettext_lazy as _
from pythonjsonlogger.core import RESERVED_ATTRS

from deploy_site.environment import Environment
from ml_core.locks import short_lock

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()
env.read_env(BASE_DIR / ".env", encoding="utf-8-sig")

# Suppress TensorFlow's informational log messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def stored_secret_key(path: Path) -> str:
    """The key in ``path``, generated at the first start and readable by the owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with short_lock(path.with_suffix(".lock"), timeout_s=10):
            # Another process may have generated it in the meantime.
            if not path.exists():
                part = path.with_suffix(".part")
                part.touch(mode=0o600)
                part.write_text(get_random_secret_key(), encoding="utf-8")
                part.replace(path)
    return path.read_text(encoding="utf-8")


# The only folder that the site writes to.
DATA_DIR = (BASE_DIR / env("DATA_DIR", default="var")).resolve()

# --- Serving ---

HOST = env("HOST", default="127.0.0.1")
PORT = env.number("PORT", default=8000, most=65535)
# The address for commands on this machine.
OWN_URL = f"http://127.0.0.1:{PORT}"
DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env("SECRET_KEY", default="") or stored_secret_key(DATA_DIR / "secret_key")
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *env.list("ALLOWED_HOSTS", default=[])]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# --- Models ---

MODEL_DIR = (BASE_DIR / env("MODEL_DIR", default=str(DATA_DIR / "models"))).resolve()
# Converted models, recreated when missing.
CONVERTED_DIR = (BASE_DIR / env("CONVERTED_DIR", default=str(DATA_DIR / "converted"))).resolve()
# Default models; empty: yolov3, else the best installed detector, and the shipped classifier.
DETECTOR = env("DETECTOR", default="")
CLASSIFIER = env("CLASSIFIER", default="")
ENGINE = env("ENGINE", default="auto")
PRECISION = env("PRECISION", default="auto")
# The servers of ENGINE=remote, and whether they decode the networks' outputs ("replica"), as those
# of this project do, or this process does ("here").
ENGINE_TARGETS = env.list("ENGINE_TARGETS", default=[])
ENGINE_DECODE = env("ENGINE_DECODE", default="replica")

# Sample pictures for visitors; subfolders are ignored.
GALLERY_DIR = (BASE_DIR / env("GALLERY_DIR", default="static/samples")).resolve()

# All limits of the site.
LIMITS = {
    # Concurrent HTTP requests and WebSockets: in total (the last quarter is reserved for addresses
    # with few of them) and per address.
    "connections": 200,
    "connections_per_address": 60,
    "websockets": 200,
    "websockets_per_address": 60,
    # Timeout for a request's headers, from their first byte; and the minimum of a body per interval
    # (1 KiB/s; a phone with bad reception reaches 5).
    "headers_seconds": 10,
    "slow_body_seconds": 30,
    "slow_body_bytes": 30 * 2**10,
    # A picture file, and a request body with it (base64 adds a third).
    "image_bytes": 10 * 10**6,
    "body_bytes": 15 * 10**6,
    "image_pixels": 25_000_000,
    # Unpacked size of an npz file for training a classifier, which is held in memory.
    "npz_bytes": 4 * 10**9,
    # The files of a model that is added, or an archive of labelled pictures; time and memory of the
    # model's conversion.
    "model_bytes": 2 * 10**9,
    "conversion_seconds": 900,
    "conversion_bytes": 8 * 10**9,
    # Files in an archive of labelled pictures, and how many evenly spread pictures of it the staff
    # measures a model with.
    "labelled_files": 200_000,
    "accuracy_pictures": 5000,
    # Models in memory; beyond it the one least recently used is closed. The defaults stay.
    "loaded_models": 4,
    # Boxes, and probabilities of classes, in one response.
    "detections": 300,
    "probabilities": 100,
    # Decoded pictures in memory; further requests wait before decoding.
    "pictures_in_memory": 8,
    # Pictures in one request of a program in whose language that is possible.
    "pictures_per_request": 16,
    # Pictures in the queue of one model; further ones are rejected.
    "queued_pictures": 64,
    # Time in the queue and for inference together.
    "inference_seconds": 30,
    # Pictures of one model that a remote engine computes at a time.
    "remote_calls": 16,
    # How long a request waits for a model that is being loaded.
    "loading_seconds": 3,
    # A camera frame, and the frame rate of one camera above which its socket is closed.
    "camera_frame_bytes": 500 * 10**3,
    "camera_frame_pixels": 2_500_000,
    "camera_frames_per_second": 120,
    # Frames of all cameras that are decoded or inferred concurrently.
    "camera_frames_in_work": 8,
    # Concurrent cameras: in total, per owner, and per address, as one address can open any number
    # of sessions.
    "cameras": 50,
    "cameras_per_owner": 3,
    "cameras_per_address": 15,
    # A camera's socket is closed after this long without a frame.
    "camera_idle_seconds": 30,
    # A video file, and the chunks in which videos and models are uploaded.
    "video_bytes": 500 * 10**6,
    "video_chunk_bytes": 5 * 10**6,
    # Free disk space below which nothing is stored.
    "free_bytes": 200 * 10**6,
    # Concurrent incomplete uploads.
    "uploads_per_owner": 5,
    "uploads_per_address": 30,
    # Retention of interrupted uploads, and of those without any data.
    "upload_seconds": 24 * 3600,
    "announcement_seconds": 600,
    # Concurrent jobs; further ones are queued.
    "video_jobs": 2,
    "rendering_jobs": 1,
    # Timeout of one detection or rendering: a minimum, and per second of the video.
    "job_seconds": 600,
    "job_seconds_per_video_second": 120,
    # Concurrent video WebSockets: per owner, per address, and in total.
    "video_sockets_per_owner": 3,
    "video_sockets_per_address": 15,
    "video_sockets": 50,
    # An idle socket is closed after this long, unless a job for its video is running.
    "video_socket_idle_seconds": 120,
    # Total memory of their decoders; further ones wait.
    "watched_videos_bytes": 2**30,
    # Frame size in pixels, landscape or portrait.
    "video_longer_side": 4096,
    "video_shorter_side": 2304,
    "video_seconds": 600,
    "video_fps": 60,
    # The decoder process: time per frame, total CPU time, and memory.
    "video_frame_seconds": 15,
    "video_decode_cpu_seconds": 3600,
    "video_decode_bytes": 2**30,
    # Conversion of a browser recording to AVI: length of the recording, timeout, and file size.
    "recording_seconds": 60,
    "recording_work_seconds": 120,
    "recording_bytes": 300 * 10**6,
    "tokens_per_account": 50,
    # Per address: failed sign-ins, new accounts, password resets.
    "failed_sign_ins_per_hour": 50,
    "sign_ups_per_hour": 20,
    "password_resets_per_hour": 20,
    # Storage quota of one owner, and of all anonymous visitors together; 0: unlimited.
    "owner_bytes": 2 * 10**9,
    "visitors_bytes": 20 * 10**9,
}
# Each can be overridden by the environment, such as LIMIT_IMAGE_BYTES.
LIMITS = {name: env.number(f"LIMIT_{name.upper()}", default=most) for name, most in LIMITS.items()}

# Days after which manage.py purge_media deletes media; 0: never, but media of anonymous visitors is
# deleted with their session, SESSION_COOKIE_AGE after the last visit.
RETENTION_DAYS = env.number("RETENTION_DAYS", default=0)

# Whether the serving process also runs queued jobs: detection in videos, and renderings of them.
# Otherwise processes of "manage.py work" do.
RUN_JOBS = env.flag("RUN_JOBS", default=True)

# --- Application ---

INSTALLED_APPS = [
    # First, so that its ASGI runserver replaces Django's. Importing it takes half a second, which
    # no other command needs.
    *(["daphne"] if sys.argv[1:2] == ["runserver"] else []),
    # Before the admin, whose index template it extends.
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
    "model_library",
    "compat",
    # Last, so that all models are loaded; deletes the files of deleted rows.
    "django_cleanup.apps.CleanupConfig",
]

MIDDLEWARE = [
    "operation.metrics.RequestMetrics",
    "django.middleware.security.SecurityMiddleware",
    "deploy_site.staticfiles.StaticFilesMiddleware",
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

# Not as a URL, in which some characters of a path would have a meaning.
sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": DATA_DIR / "db.sqlite3"}
DATABASES = {"default": env.database("DATABASE_URL", default=sqlite)}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Without WAL and IMMEDIATE, concurrent writers fail instead of waiting. FULL makes commits
    # survive a power failure, for a third of a millisecond per transaction.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 10,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    # On disk, as threads that share an in-memory database fail instead of waiting.
    DATABASES["default"]["TEST"] = {"NAME": DATA_DIR / "test.sqlite3"}
# Connections of one process to PostgreSQL, shared by its threads; 0: each thread opens its own.
DATABASE_POOL = env.number("DATABASE_POOL", default=20)
if DATABASES["default"]["ENGINE"].endswith("postgresql"):
    DATABASES["default"]["ENGINE"] = "web.postgresql"
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        # In ms. A process that freezes within a transaction holds its locks for no longer than
        # this, and others wait for no longer.
        "options": "-c idle_in_transaction_session_timeout=10000 -c lock_timeout=10000",
        # How long a thread waits for a connection, and the pool tries to open one, in s.
        "pool": {"min_size": 1, "max_size": DATABASE_POOL, "timeout": 10, "reconnect_timeout": 1}
        if DATABASE_POOL
        else {},
        **DATABASES["default"].get("OPTIONS", {}),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Several serving processes need Redis to share caches.
REDIS_URL = env("REDIS_URL", default="")
if REDIS_URL:
    redis = {
        "BACKEND": "web.cache.OptionalRedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    }
    CACHES = {"default": redis, "attempts": {**redis, "KEY_PREFIX": "attempts"}}
else:
    in_memory = {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # A full cache evicts entries, including lockouts and throttles. This is more than the
        # 65,536 networks (/64) of an IPv6 site (/48), and takes about 35 MB.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
    # A separate cache, so that entries of throttles cannot evict lockouts.
    CACHES = {"default": in_memory, "attempts": {**in_memory, "LOCATION": "attempts"}}

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
# WhiteNoise and SQLite need existing folders.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "web.storage.disk.WholeFileStorage"},
    "staticfiles": {"BACKEND": "deploy_site.staticfiles.ModuleStaticFilesStorage"},
}
if DEBUG:
    STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    WHITENOISE_USE_FINDERS = True
# Some systems map .js to text/plain, and browsers then refuse to run it as a module.
mimetypes.add_type("text/javascript", ".js", strict=True)

# --- Requests ---

REST_FRAMEWORK = {
    # No basic authentication: passwords are only entered on the login page.
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
    # Per account, else per address; far above what people reach by hand.
    "DEFAULT_THROTTLE_CLASSES": ["web.rest.throttling.AccountOrAddressThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "predictions": env.rate("THROTTLE_PREDICTIONS", default="6000/min"),
        "uploads": env.rate("THROTTLE_UPLOADS", default="6000/min"),
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
    # Files are bytes in requests but URLs in responses.
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "State": "detect_video.models.State",
        "ModelJobState": "model_library.models.State",
        "ModelJobKind": "model_library.models.Kind",
    },
    "TAGS": [
        {"name": "classification", "description": "Classify a picture"},
        {"name": "pictures", "description": "Detect objects in a picture; stored pictures"},
        {"name": "videos", "description": "Detect objects in a video"},
        {"name": "models", "description": "Change the models: for the staff"},
        {"name": "site", "description": "Models and limits"},
        {"name": "compat", "description": "What other programs speak, if COMPAT names it"},
    ],
}
DATA_UPLOAD_MAX_MEMORY_SIZE = LIMITS["body_bytes"]
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 2
FILE_UPLOAD_MAX_MEMORY_SIZE = 2**20
# On the disk of the media folder, whose free space is checked.
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "tmp"
FILE_UPLOAD_TEMP_DIR.mkdir(mode=0o750, exist_ok=True)
FILE_UPLOAD_PERMISSIONS = 0o640
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o750

# The other programs' APIs that the site offers beside its own.
COMPAT_DIALECTS = ("deepstack", "doods", "roboflow", "open-inference", "label-studio")
COMPAT = env.choices("COMPAT", choices=COMPAT_DIALECTS)
# The only place from which "label-studio" fetches pictures, and a token of an account there.
LABEL_STUDIO_URL = env("LABEL_STUDIO_URL", default="")
LABEL_STUDIO_TOKEN = env("LABEL_STUDIO_TOKEN", default="")

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
# In seconds; for anonymous visitors counted from the last visit.
SESSION_COOKIE_AGE = 14 * 24 * 3600
# Addresses and networks of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted.
# All limits per address depend on it behind a proxy.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
# Whether the site is served over HTTPS, directly or by a proxy that sets X-Forwarded-Proto.
HTTPS = env.flag("HTTPS", default=False)
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    # Probes and Prometheus connect from the local network, without the proxy.
    SECURE_REDIRECT_EXEMPT = ["^livez$", "^readyz$", "^metrics$"]
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    LANGUAGE_COOKIE_SECURE = True
    # Increase it, finally to a year, once HTTPS is permanent.
    SECURE_HSTS_SECONDS = env.number("HSTS_SECONDS", default=3600)
    # Off by default, as other hosts of the domain may not use HTTPS.
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("HSTS_SUBDOMAINS", default=False)
    SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# --- Accounts ---

# Restricts all pages, the API and WebSockets to signed-in users.
REQUIRE_LOGIN = env.flag("REQUIRE_LOGIN", default=False)
# Whether visitors may create accounts; off by default where REQUIRE_LOGIN is set.
SIGN_UP = env.flag("SIGN_UP", default=not REQUIRE_LOGIN)
LOGIN_URL = "accounts:sign-in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"
# Interval at which WebSockets check their session or token.
SOCKET_CHECK_SECONDS = 30

AUTHENTICATION_BACKENDS = [
    # First, so that locked addresses and names are rejected even with the right password.
    "accounts.attempts.AddressLockoutBackend",
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(hours=1)
# The combination, so that nobody can lock out the accounts of others.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "web.addresses.client_address"
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "accounts.pages.locked_out"
AXES_VERBOSE = False
# Its admin is in English only; manage.py axes_reset_username lifts a lockout.
AXES_ENABLE_ADMIN = False
# Masked in the logged form of a failed attempt.
AXES_SENSITIVE_PARAMETERS = [
    "username",
    "ip_address",
    "old_password",
    "new_password1",
    "new_password2",
]
# Do not record successful sign-ins.
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

# Such as smtp+tls://user:password@mail.example.org:587; without it passwords cannot be reset.
mail = env.mail("EMAIL_URL")
SENDS_EMAIL = bool(mail)
vars().update(mail)
DEFAULT_FROM_EMAIL = env("EMAIL_FROM", default="vision@localhost")
EMAIL_TIMEOUT = 20

# --- Language and time ---

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_TZ = True
TIME_ZONE = "UTC"

# --- Operation ---

# Bearer token for /metrics, which otherwise only staff can read.
METRICS_TOKEN = env("METRICS_TOKEN", default="")

# --- Logging ---

# "line" for people, "json" for log collectors.
LOG_FORMAT = env.choice("LOG_FORMAT", default="line", choices=("line", "json"))
# Commands for people print their results themselves; of the rest, only what takes long.
SERVERS = {"serve", "runserver", "work"}
IS_COMMAND = Path(sys.argv[0]).name == "manage.py" and SERVERS.isdisjoint(sys.argv[1:2])
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "message": {"format": "%(message)s"},
        "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s]: %(message)s"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(request_id)s %(message)s",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
            # uvicorn's copy of the message with colours.
            "reserved_attrs": [*RESERVED_ATTRS, "color_message"],
        },
    },
    "filters": {
        "request_id": {"()": "operation.request_ids.RequestIdFilter"},
        "static_files": {"()": "deploy_site.staticfiles.StaticFilesFilter"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "message" if IS_COMMAND and LOG_FORMAT == "line" else LOG_FORMAT,
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["console"], "level": "WARNING" if IS_COMMAND else "INFO"},
    "loggers": {
        # Logs unnecessary information at each sign-in.
        "axes": {"level": "WARNING"},
        "ml_core.engines.conversion": {"level": "INFO"},
        "uvicorn.access": {"filters": ["static_files"]},
        # web.problems logs one line instead of a traceback.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        # And this one whenever a connection is used.
        "psycopg.pool": {"level": "WARNING"},
    },
}

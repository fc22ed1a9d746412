"""What a logger and its sites are made with: templates, levels, options and paths."""

import re

import pytest
from logged_lines import messages

from latencykit.engine import AsyncLogger, LogSite
from latencykit.errors import InvalidTypeError, InvalidValueError, UnsupportedError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.log"


@pytest.mark.parametrize("template", ["{", "}", "{} }", "{:y}", "{:.f}", "{:5.2d}", "{:,x}", "{:5d5}", "\ud800 {}"])
def test_a_wrong_template_raises(path, template):
    with AsyncLogger(path) as logger, pytest.raises(InvalidValueError, match=re.escape(repr(template))):
        logger.site(template)


@pytest.mark.parametrize("template", ["{0}", "{name}", "{!r}", "{:{}}", "{:n}", "{:c}", "{:é>5}", "{:9999}", "{}" * 65])
def test_an_unsupported_template_raises(path, template):
    with AsyncLogger(path) as logger, pytest.raises(UnsupportedError, match="log template"):
        logger.site(template)


def test_sixty_four_placeholders_work(path):
    with AsyncLogger(path) as logger:
        logger.site("{} " * 64)(*range(64))
    assert messages(path) == ["".join(f"{i} " for i in range(64))]


def test_sites_below_the_level_do_nothing(path):
    with AsyncLogger(path, level="WARNING") as logger:
        for level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
            logger.site("{}", level=level)(level.lower())
        with pytest.raises(InvalidTypeError):
            logger.site("{}", level="DEBUG")()
    assert messages(path) == ["warning", "error", "critical"]


def test_a_site_is_made_once(path):
    with AsyncLogger(path) as logger:
        site = logger.site("{}")
        assert isinstance(site, LogSite)
        assert logger.site("{}") is site
        assert logger.site("{}", level="ERROR") is not site
        assert (site.template, site.level, repr(site)) == ("{}", "INFO", "<LogSite '{}' level=INFO>")
        with pytest.raises(TypeError):
            LogSite()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"capacity": 0}, InvalidValueError),
        ({"capacity": 10**9}, InvalidValueError),
        ({"capacity": 1.5}, InvalidTypeError),
        ({"capacity": True}, InvalidTypeError),
        ({"flush_interval": 0}, InvalidValueError),
        ({"flush_interval": float("nan")}, InvalidValueError),
        ({"flush_interval": 1e9}, InvalidValueError),
        ({"flush_interval": "1ms"}, InvalidTypeError),
        ({"on_full": "wait"}, InvalidValueError),
        ({"level": "TRACE"}, InvalidValueError),
        ({"level": []}, InvalidTypeError),
        ({"on_full": []}, InvalidValueError),
        ({"format": []}, InvalidValueError),
    ],
)
def test_an_option_that_cannot_be_used_raises(path, options, error):
    with pytest.raises(error):
        AsyncLogger(path, **options)
    assert not path.exists()


def test_an_unknown_level_of_a_site_raises(path):
    with AsyncLogger(path) as logger, pytest.raises(InvalidValueError, match="'info' is none of DEBUG"):
        logger.site("{}", level="info")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"level": []}, r"level \[\] is not a str; give one of DEBUG"),
        ({"level": None}, "level None is not a str"),
        ({"template": []}, r"template \[\] is not a str; write"),
        ({"template": b"{}"}, r"template b'\{\}' is not a str"),
    ],
)
def test_what_is_no_text_of_a_site_raises(path, wrong, words):
    with AsyncLogger(path) as logger, pytest.raises(InvalidTypeError, match=words):
        logger.site(**{"template": "{}", **wrong})


@pytest.mark.parametrize(
    ("wrong", "error"), [(5, InvalidTypeError), (None, InvalidTypeError), ("a\0b", InvalidValueError)]
)
@pytest.mark.parametrize("crash_proof", [False, True])
def test_what_is_no_path_raises(wrong, error, crash_proof):
    with pytest.raises(error, match="path"):
        AsyncLogger(wrong, crash_proof=crash_proof)


def test_a_path_that_cannot_be_opened_raises_with_the_path(tmp_path):
    missing = tmp_path / "none" / "x.log"
    with pytest.raises(FileNotFoundError, match=re.escape(str(missing))):
        AsyncLogger(missing)
    with pytest.raises(IsADirectoryError):
        AsyncLogger(tmp_path)
    with pytest.raises(ValueError, match="null"):
        AsyncLogger("a\0b")


def test_the_file_is_appended_to(path):
    for i in range(2):
        with AsyncLogger(str(path)) as logger:
            logger.site("run {}")(i)
    assert messages(path) == ["run 0", "run 1"]

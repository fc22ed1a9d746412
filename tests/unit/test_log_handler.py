"""The handler: existing logging code writes through an AsyncLogger unchanged."""

import json
import logging
import sys

import pytest
from logged_lines import STAMP, bodies

from latencykit.engine import AsyncLogger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.log"


@pytest.fixture
def standard():
    logger = logging.Logger("orders", logging.DEBUG)
    yield logger
    for handler in logger.handlers:
        handler.close()


class CountingFormatter(logging.Formatter):
    calls = 0

    def format(self, record):
        self.calls += 1
        return super().format(record)


def test_without_a_formatter_the_line_is_what_the_default_one_makes(path, standard):
    """The way around the formatter must not show."""
    records = []
    standard.addFilter(lambda record: records.append(record) or True)
    with AsyncLogger(path) as logger:
        standard.addHandler(logger.handler())
        standard.info("plain")
        standard.info("order %s %d", "AAPL", 5)
        standard.info("%(side)s", {"side": "buy"})
        standard.info("100 %")
        standard.info(["an", "object"])
        standard.info("stack", stack_info=True)
        try:
            int("x")
        except ValueError:
            standard.exception("failed with %s", "x")
    default = logging.Formatter()
    text = "".join(f"{record.levelname} {default.format(record)}\n" for record in records)
    assert "".join(line[STAMP:] if line[4:5] == "-" else line for line in path.read_text().splitlines(True)) == text
    assert "Stack (most recent call last):" in text
    assert "ValueError: invalid literal" in text


def test_a_formatter_that_was_set_is_used_for_every_record(path, standard):
    formatter = CountingFormatter("{name}|{order_id}|{message}", style="{")
    with AsyncLogger(path) as logger:
        handler = logger.handler()
        handler.setFormatter(formatter)
        standard.addHandler(handler)
        standard.info("a %d", 1, extra={"order_id": 17})
        standard.error("b", extra={"order_id": 18})
    assert bodies(path) == ["INFO orders|17|a 1", "ERROR orders|18|b"]
    assert formatter.calls == 2


def test_arguments_are_formatted_in_the_call(path, standard):
    with AsyncLogger(path, flush_interval=3600) as logger:
        standard.addHandler(logger.handler())
        changing = [1]
        standard.info("%s", changing)
        changing.append(2)
    assert bodies(path) == ["INFO [1]"]


def test_records_below_the_loggers_level_are_not_formatted(path, standard):
    formatter = CountingFormatter()
    with AsyncLogger(path, level="ERROR") as logger:
        handler = logger.handler()
        handler.setFormatter(formatter)
        standard.addHandler(handler)
        standard.warning("hidden")
        logger.level = "DEBUG"
        standard.debug("shown")
    assert bodies(path) == ["DEBUG shown"]
    assert formatter.calls == 1


def test_levels_of_ones_own_have_their_names(path, standard):
    logging.addLevelName(25, "NOTICE")
    try:
        with AsyncLogger(path) as logger:
            standard.addHandler(logger.handler())
            standard.log(25, "a")
            standard.log(26, "b")
            standard.log(19, "hidden")
            logging.addLevelName(25, "HINT")
            standard.log(25, "c")
    finally:
        logging._levelToName.pop(25)
        logging._nameToLevel.pop("NOTICE")
        logging._nameToLevel.pop("HINT")
    assert bodies(path) == ["NOTICE a", "Level 26 b", "HINT c"]


def test_the_handlers_own_level_and_filters_hold(path, standard):
    with AsyncLogger(path) as logger:
        handler = logger.handler()
        handler.setLevel(logging.ERROR)
        handler.addFilter(lambda record: "secret" not in record.msg)
        standard.addHandler(handler)
        standard.info("low")
        standard.error("secret")
        standard.error("shown")
    assert bodies(path) == ["ERROR shown"]


def test_a_handler_of_json_has_message_and_level(path, standard):
    with AsyncLogger(path, format="json") as logger:
        standard.addHandler(logger.handler())
        standard.error('say "%s"', "hi\n")
    line = json.loads(path.read_text())
    assert (line["level"], line["message"], line["args"]) == ("ERROR", 'say "hi\n"', ['say "hi\n"'])


def test_two_handlers_may_share_a_logger(path, standard):
    with AsyncLogger(path) as logger:
        standard.addHandler(logger.handler())
        standard.addHandler(logger.handler())
        standard.info("x")
    assert bodies(path) == ["INFO x", "INFO x"]


def test_no_reference_is_kept(path, standard):
    with AsyncLogger(path) as logger:
        standard.addHandler(logger.handler())
        value = object()
        before = sys.getrefcount(value)
        for _ in range(100):
            standard.info("%s", value)
        assert sys.getrefcount(value) == before


def test_the_handler_writes_what_logging_logs(path, standard):
    with AsyncLogger(path) as target:
        standard.addHandler(target.handler())
        standard.debug("hidden")
        standard.info("order %s qty %d", "AAPL", 100)
        standard.error("100%% {}")
        standard.log(35, "odd")
        standard.handlers[0].flush()
        written = path.read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in written] == [
        "INFO order AAPL qty 100",
        "ERROR 100%% {}",
        "Level 35 odd",
    ]


def test_the_handler_formats_as_it_is_told_and_adds_tracebacks(path, standard):
    with AsyncLogger(path) as target:
        handler = target.handler()
        handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
        standard.addHandler(handler)
        try:
            int("wrong")
        except ValueError:
            standard.exception("it failed")
    text = path.read_text()
    assert "ERROR orders: it failed\nTraceback (most recent call last):" in text
    assert "ValueError: invalid literal" in text


def test_the_handler_reports_errors_as_logging_does(path, standard, capsys):
    target = AsyncLogger(path)
    standard.addHandler(target.handler())
    standard.info("%d", "not a number")
    target.close()
    standard.info("too late")
    standard.handlers[0].flush()
    error = capsys.readouterr().err
    assert "--- Logging error ---" in error
    assert "is closed; open another" in error

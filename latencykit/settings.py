"""The settings under ``[tool.latencykit]`` in pyproject.toml, read once by the command that starts."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from latencykit.errors import UsageError


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a project has settled for its own runs; the command line goes before it.

    Attributes:
        suites: Components and suite files to measure when none is named; files relative to pyproject.toml.
        cpu: The CPU to pin the measured process to.
        level: How long and how carefully to measure.
    """

    suites: tuple[str, ...] = ()
    cpu: Annotated[int, msgspec.Meta(ge=0)] | None = None
    level: Literal["quick", "default", "rigorous"] | None = None


def read_settings(folder: Path) -> Settings:
    """Read the settings of the nearest pyproject.toml, from `folder` upwards, that has any.

    Raises:
        UsageError: A pyproject.toml on the way cannot be read, is not TOML, or holds a wrong setting.
    """
    for parent in (folder, *folder.parents):
        path = parent / "pyproject.toml"
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be read for settings: {error}") from error
        settings = parse_settings(text, path)
        if settings is not None:
            return settings
    return Settings()


def parse_settings(text: str, path: Path) -> Settings | None:
    """Return the settings in the text of a pyproject.toml, or None if it has no ``[tool.latencykit]``.

    Args:
        text: The file's content.
        path: Where it lies: named in errors, and what relative suite files are relative to.

    Raises:
        UsageError: The text is not TOML, or a setting is unknown or has a wrong value.
    """
    try:
        table = _section(tomllib.loads(text))
        settings = None if table is None else msgspec.convert(table, Settings)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from error
    except msgspec.ValidationError as error:
        known = ", ".join(Settings.__struct_fields__)
        raise UsageError(
            f"[tool.latencykit] in {path} is wrong: {error}; the settings are {known}"
        ) from error
    return None if settings is None else _anchored(settings, path.parent)


def _section(document: dict[str, Any]) -> Any:
    tool = document.get("tool")
    return tool.get("latencykit") if isinstance(tool, dict) else None


def _anchored(settings: Settings, folder: Path) -> Settings:
    suites = tuple(str(folder / name) if name.endswith(".py") else name for name in settings.suites)
    return msgspec.structs.replace(settings, suites=suites)

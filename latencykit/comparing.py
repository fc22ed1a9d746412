"""Put the rooms together for a comparison: sample pairs in turns, judge them, and return one Report. Prints nothing."""

import datetime as dt
import random
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from latencykit.analysis.paired import LOOKS, UNFIT, decided, ratio_at_look
from latencykit.analysis.paired_tails import figures_of, tail_ratio
from latencykit.analysis.sequential import compare_runs, only_in, unlike
from latencykit.analysis.verdicts import judge_machine
from latencykit.comparison import Comparison, ComparisonFailure, PairSamples, Report, SavedRun
from latencykit.errors import DataError, InvalidValueError, UsageError
from latencykit.hardware import detect
from latencykit.measuring import events
from latencykit.measuring.conditions import choose_cpu
from latencykit.measuring.contenders import Rivals, function_rivals, variant_rivals
from latencykit.measuring.effort import PairEffort
from latencykit.measuring.interrupts import Interrupts
from latencykit.measuring.runner import run_pair
from latencykit.model import Fitness, MeterReading, Run, decode_run
from latencykit.one_call import check_clock

__all__ = ["Rivals", "compare", "compare_saved", "function_rivals", "variant_rivals"]

Observe = Callable[[Rivals, events.Event], None]


@dataclass(slots=True)
class _Collected:
    """What the children told of pairs."""

    found: list[tuple[Rivals, PairSamples, list[str]]] = field(default_factory=list)
    failures: list[ComparisonFailure] = field(default_factory=list)
    readings: list[MeterReading] = field(default_factory=list)


def compare(rivals: Sequence[Rivals], cpu: int | None, observe: Observe, argv: Sequence[str]) -> Report:
    """Compare pairs of operations one after the other, each pair in a process of its own.

    Args:
        rivals: What to compare, at least one pair.
        cpu: The CPU to measure on; None for the highest allowed one.
        observe: Called with each pair's events as they come.
        argv: The command line, for the record.

    Returns:
        The report. After Ctrl-C it holds what was finished, and `complete` is False.

    Raises:
        UsageError: The CPU is not ours to pin.
        UnsupportedError: There is no usable clock.
    """
    chosen = choose_cpu(cpu)
    environment = detect(Path(tempfile.gettempdir()))
    check_clock(environment.clock)
    started = dt.datetime.now(dt.UTC)
    collected = _Collected()
    complete = _run_all(rivals, chosen, collected, observe)
    validity = judge_machine(collected.readings)
    return Report(
        id=uuid.uuid4().hex,
        started_at=started.isoformat(timespec="seconds"),
        argv=list(argv),
        environment=environment,
        validity=validity,
        comparisons=[
            comparison_of(pair, samples, len(rivals), validity.verdict, remarks)
            for pair, samples, remarks in collected.found
        ],
        failures=collected.failures,
        complete=complete,
    )


def _run_all(rivals: Sequence[Rivals], cpu: int | None, collected: _Collected, observe: Observe) -> bool:
    """Compare all pairs; return False if Ctrl-C ended that early."""
    effort, comparisons = PairEffort(LOOKS), len(rivals)

    def enough(seen: PairSamples) -> bool:
        return decided(seen, comparisons)

    try:
        with Interrupts() as interrupts:
            for pair in rivals:
                seed = random.SystemRandom().getrandbits(48)
                _keep(
                    run_pair(pair.a, pair.b, effort, cpu, enough, gc=pair.gc, seed=seed, interrupts=interrupts),
                    pair,
                    collected,
                    observe,
                )
    except KeyboardInterrupt:
        return False
    return True


def _keep(told: Iterable[events.Event], pair: Rivals, collected: _Collected, observe: Observe) -> None:
    """Keep what the child of a pair tells."""
    samples, remarks = None, list[str]()
    for event in told:
        observe(pair, event)
        match event:
            case events.MeterRead(reading):
                collected.readings.append(reading)
            case events.Notice(text):
                remarks.append(text)
            case events.PairLooked(seen):
                samples = seen
            case events.PairFailed():
                collected.failures.append(_failure(pair, event))
            case events.PairFinished() if samples is not None:
                collected.found.append((pair, samples, remarks))
            case _:
                pass


def comparison_of(
    pair: Rivals, samples: PairSamples, comparisons: int, machine: Fitness, remarks: Sequence[str] = ()
) -> Comparison:
    """Return what samples of a pair come to.

    Args:
        pair: The two operations.
        samples: What was sampled of them.
        comparisons: How many comparisons the command makes; all share the chance to be wrong.
        machine: How fit the machine was; on an unfit one nothing is decided.
        remarks: What happened while they were sampled.
    """
    found = ratio_at_look(samples, comparisons)
    a_figures, b_figures = figures_of(samples)
    unfit = machine == "unfit"
    return Comparison(
        component=pair.component,
        parameters=dict(pair.parameters),
        a=pair.a_label,
        b=pair.b_label,
        ratio=found.ratio,
        interval=found.interval,
        level=found.level,
        verdict="inconclusive" if unfit else found.verdict,
        reason=UNFIT if unfit else found.reason,
        remarks=[*remarks, *found.remarks],
        tail=tail_ratio(samples),
        pairs=2 * len(samples.blocks),
        a_figures=a_figures,
        b_figures=b_figures,
    )


def _failure(pair: Rivals, event: events.PairFailed) -> ComparisonFailure:
    return ComparisonFailure(
        component=pair.component,
        parameters=dict(pair.parameters),
        a=pair.a_label,
        b=pair.b_label,
        operation=event.operation,
        reason=event.reason,
        detail=event.detail,
        skipped=event.skipped,
    )


def compare_saved(base: str, head: str, argv: Sequence[str], *, force: bool) -> Report:
    """Compare two runs on file.

    Args:
        base: Path of the run whose times are the ratio's base.
        head: Path of the run that is held against it.
        argv: The command line, for the record.
        force: Compare runs of unlike machines too, with a warning.

    Raises:
        UsageError: A file cannot be read, the runs have no operation in common, or their machines are unlike.
        DataError: A file is not a run of a schema that can be read.
    """
    before, after = _read(base), _read(head)
    warnings = []
    if differences := unlike(before, after):
        told = f"{base} and {head} were measured on unlike machines ({'; '.join(differences)})"
        if not force:
            raise UsageError(f"{told}; measure both on one, or give --force to compare them all the same")
        warnings.append(f"{told}: a difference may be the machines' alone")
    try:
        comparisons = compare_runs(before, after)
    except InvalidValueError as error:
        raise DataError(f"{base} or {head} holds a histogram that cannot be read: {error}") from error
    if not comparisons:
        raise UsageError(f"{base} and {head} have no operation in common; give two runs of the same components")
    warnings += [*_missing(base, before, after), *_missing(head, after, before)]
    return Report(
        id=uuid.uuid4().hex,
        started_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        argv=list(argv),
        kind="saved",
        environment=after.environment,
        validity=max(before.validity, after.validity, key=lambda validity: validity.stolen_ratio),
        comparisons=comparisons,
        warnings=warnings,
        base=_saved(base, before),
        head=_saved(head, after),
    )


def _missing(path: str, run: Run, other: Run) -> Iterator[str]:
    """Yield what of a run is not compared, and whether it is whole."""
    if names := only_in(run, other):
        yield f"only in {path}, not compared: {', '.join(names)}"
    if not run.complete:
        yield f"{path} was interrupted and holds what was finished"


def _read(path: str) -> Run:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"run {path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    return decode_run(data, path)


def _saved(path: str, run: Run) -> SavedRun:
    return SavedRun(path=path, id=run.id, started_at=run.started_at, fingerprint=run.environment.fingerprint)

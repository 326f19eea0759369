"""Build every spec of the zoo: prove it, measure it, and with `--record` keep what it came to for `stackc zoo`.

`--small` takes small sizes and no timing, and prints the wall time of all builds, cold and warm. Full sizes need an
idle machine, since every build is timed; one that other programs disturbed is not recorded. Records are written one by
one, and `--missing` goes on where they end: with what has none of these versions. A spec that fails is printed, and the
others are built. A model of more than 300
million parameters is built at small sizes, as its proof in float64 would not fit, and its record names them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import date
from pathlib import Path

from tests.benchmarks.timing_truth import processor
from tests.hub.small_sizes import small_params

import stackc
from stackc.core.diagnostics import SpecError
from stackc.core.versions import tool_versions
from stackc.frontend import Overrides
from stackc.hub.catalog import CATALOG, BuildRecord
from stackc.hub.zoo import zoo_files
from stackc.pipeline import Built, Options
from stackc.timing.statistics import DISTURBED

SPECS = Path(__file__).parents[2] / "specs"
RECORDS = Path(stackc.__file__).parent / "hub" / CATALOG
LARGEST = 3e8
"""Parameters of a model that is built at its full size: weights in both precisions, and the file, fit into 8 GB."""
COLD, WARM = 600.0, 240.0
"""Seconds that the whole zoo may take at small sizes."""


def main() -> None:
    """Build, print a row each; exit status 1 if a spec fails or the small sizes take too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--specs", nargs="*", default=list(zoo_files()), help="names of specs (default: all)")
    parser.add_argument("--small", action="store_true", help="small sizes, cold and warm, without timing")
    parser.add_argument("--record", action="store_true", help=f"write {CATALOG} of stackc")
    parser.add_argument("--missing", action="store_true", help="leave out what has a record of these versions")
    options = parser.parse_args()

    print(f"{processor()}, {os.cpu_count()} cores; {tool_versions()}")
    specs = [name for name in options.specs if not (options.missing and _is_recorded(name))]
    sys.exit(not (_small(specs) if options.small else _full(specs, record=options.record)))


def _is_recorded(name: str) -> bool:
    record = json.loads(RECORDS.read_text(encoding="utf-8")).get(name)
    return record is not None and record["versions"] == tool_versions()


def _small(specs: list[str]) -> bool:
    """Build all specs at small sizes twice: with an empty cache, and with the one that this leaves."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        cold, warm = (_seconds(specs, Path(folder)) for _ in range(2))
    print(f"cold {cold:.0f} s  [at most {COLD:.0f} s], warm {warm:.0f} s  [at most {WARM:.0f} s]")
    return cold <= COLD and warm <= WARM


def _seconds(specs: list[str], folder: Path) -> float:
    start = time.perf_counter()
    for name in specs:
        before = time.perf_counter()
        stackc.build(_path(name), Options(out=folder, overrides=Overrides(params=small_params(name)), measure=False))
        print(f"  {name}: {time.perf_counter() - before:.1f} s", flush=True)
    return time.perf_counter() - start


def _full(specs: list[str], *, record: bool) -> bool:
    """Build at full size; keep the records of builds that nothing disturbed. Return whether that was all of them."""
    records = json.loads(RECORDS.read_text(encoding="utf-8"))
    all_sound = True
    for name in specs:
        try:
            params = _fitting_params(name)
            with tempfile.TemporaryDirectory() as folder:
                built = stackc.build(_path(name), Options(out=Path(folder), overrides=Overrides(params=params)))
        except SpecError as error:
            print(f"  {name}: {error}", flush=True)
            all_sound = False
            continue
        others = built.speed.others if built.speed else None
        new = _record(built, params)
        print(f"  {name}: error {new.error:.2f}, time {new.speed:.3f} {new.interval}, others {others}", flush=True)

        if others is not None and others > DISTURBED:
            all_sound = False
        elif record:
            records[name] = asdict(new)
            RECORDS.write_text(json.dumps(dict(sorted(records.items())), indent=1, ensure_ascii=False) + "\n", "utf-8")
    return all_sound


def _fitting_params(name: str) -> dict[str, str]:
    """Return the params that make a large model small enough for its proof in float64; none for the others."""
    return small_params(name) if stackc.check(_path(name)).cost.parameters > LARGEST else {}


def _record(built: Built, params: dict[str, str]) -> BuildRecord:
    assert built.parity
    assert built.speed
    (speed,) = built.speed.ratios
    return BuildRecord(
        parameters=built.checked.cost.parameters,
        error=max(row.verdict.ratio for row in built.parity.rows if row.verdict.numbers),
        comparisons=len(built.parity.rows),
        speed=speed.value,
        interval=(speed.low, speed.high),
        sizes=str(built.measured),
        date=date.today().isoformat(),
        processor=f"{processor()}, {os.cpu_count()} cores",
        versions=tool_versions(),
        params=params,
    )


def _path(name: str) -> Path:
    return SPECS / zoo_files()[name].name


if __name__ == "__main__":
    main()

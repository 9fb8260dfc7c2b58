"""`make campaign-worlds`: many random worlds, one after another; may be stopped and started again.

    python -m tests.worlds [--worlds 500] [--first 1000] [--state .cache/campaign.json]
    python -m tests.worlds --seed 1234 --kills 0
    python -m tests.worlds --chain tron

Each world is told by its seed, which makes chain, faults and deaths. Every tenth world kills real
watcher processes; every fifth EVM world has a quorum of two nodes of three, one of which lies or is gone.
Ends with 1 if any world disagreed with its ledger, and says how to replay it.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.worlds import bitcoin, tron
from tests.worlds.play import STEPS, Ending, play

STATE = Path(".cache") / "campaign.json"
PLAYERS = {"bitcoin": bitcoin.play, "evm": play, "tron": tron.play}
KILLS_EACH, KILLED_EVERY = 3, 10
# From so many on, each of these must have been met.
WORLDS_OF_ALL_KINDS = 20


@dataclass
class State:
    """What a campaign has come to, kept after every world."""

    done: list[int] = field(default_factory=list)
    failed: dict[str, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    movements: int = 0
    seconds: float = 0.0

    @classmethod
    def load(cls, file: Path) -> "State":
        """Read what an earlier run left; nothing if there was none."""
        if not file.exists():
            return cls()
        told = json.loads(file.read_text())
        return cls(**{**told, "counts": Counter(told["counts"]), "faults": Counter(told["faults"])})

    def save(self, file: Path) -> None:
        """Write whole or not at all: a campaign may be stopped at any moment."""
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.write_text(json.dumps(vars(self)))
        new.replace(file)

    def add(self, ending: Ending, *, kills: int, chain: str = "evm") -> None:
        """Take in one world."""
        self.done.append(ending.seed)
        self.counts += ending.counts
        self.faults += ending.faults
        self.movements += ending.movements
        self.seconds += ending.seconds
        if ending.problems:
            of_chain = "" if chain == "evm" else f"--chain {chain} "
            self.failed[f"{of_chain}--seed {ending.seed} --kills {kills}"] = ending.problems[:20]


def main(arguments: Sequence[str] | None = None) -> int:
    """Play worlds; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.worlds", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--worlds", type=int, default=500, help="how many in all, those of earlier runs included")
    parser.add_argument("--first", type=int, default=1000, help="the first seed")
    parser.add_argument("--steps", type=int, default=STEPS, help="how long a world lives")
    parser.add_argument("--state", type=Path, help=f"where to keep what was done; by default {STATE}")
    parser.add_argument("--chain", choices=sorted(PLAYERS), default="evm", help="what kind of chain")
    parser.add_argument("--seed", type=int, help="replay one world and leave the state alone")
    parser.add_argument("--kills", type=int, default=0, help="with --seed: how many real watchers to kill")
    chosen = parser.parse_args(arguments)
    if chosen.seed is not None:
        ending = PLAYERS[chosen.chain](chosen.seed, steps=chosen.steps, kills=chosen.kills)
        _tell(ending)
        return 1 if ending.problems else 0
    file = chosen.state or (STATE if chosen.chain == "evm" else STATE.with_stem(f"campaign-{chosen.chain}"))
    return _campaign(chosen.worlds, chosen.first, chosen.steps, file, chain=chosen.chain)


def _campaign(worlds: int, first: int, steps: int, file: Path, *, chain: str = "evm") -> int:
    state = State.load(file)
    seed, started = first, time.monotonic()
    while len(state.done) < worlds:
        if seed not in state.done:
            kills = KILLS_EACH if seed % KILLED_EVERY == 0 else 0
            ending = PLAYERS[chain](seed, steps=steps, kills=kills)
            state.add(ending, kills=kills, chain=chain)
            state.save(file)
            print(f"{len(state.done)}/{worlds}  ", end="")
            _tell(ending)
        seed += 1
    print(f"\n{len(state.done)} worlds, {state.movements} movements, {len(state.failed)} disagreed", end="")
    print(f"; {state.seconds:.0f} s in all, {time.monotonic() - started:.0f} s in this run")
    print("faults:  " + _listed(state.faults))
    print("events:  " + _listed(state.counts))
    for replay, problems in state.failed.items():
        print(f"\npython -m tests.worlds {replay}")
        print("\n".join(f"  {problem}" for problem in problems))
    toothless = [] if worlds < WORLDS_OF_ALL_KINDS else [name for name, count in _bites(state).items() if not count]
    if toothless:
        print(f"it proves nothing: there was no {', no '.join(toothless)}")
    return 1 if state.failed or toothless else 0


def _bites(state: State) -> dict[str, int]:
    """Count what a campaign must have met to prove anything."""
    kills = sum(count for name, count in state.counts.items() if name.startswith("killed"))
    return {"reorg": state.counts["reorg"], "fault": state.faults.total(), "killed watcher": kills}


def _tell(ending: Ending) -> None:
    verdict = "agrees" if not ending.problems else f"DISAGREES in {len(ending.problems)}"
    told = f"{ending.movements} movements, {ending.faults.total()} faults, {ending.counts['reorg']} reorgs"
    print(f"seed {ending.seed}: {verdict}  ({told}, {ending.seconds:.1f} s)", flush=True)
    for problem in ending.problems:
        print(f"  {problem}", flush=True)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    raise SystemExit(main())

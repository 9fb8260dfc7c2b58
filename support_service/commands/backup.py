"""`backup` and `restore`: the ledger in one file, and the file in the place of an empty database."""

from pathlib import Path

from support_service.assembly import Assembly
from support_service.commands.output import Say
from support_service.giving import utc_now
from support_service.ledger.backup import Contents, WantedBackup, back_up, restore


def write(assembly: Assembly, file: Path, *, say: Say) -> None:
    """Back the ledger up and say what is in the file, and what is not."""
    settings = assembly.settings
    contents = back_up(settings.database_url, file, publisher=settings.publisher.name, clock=utc_now)
    say(f"{file}: {_told(contents)}")
    kept_apart = [str(settings.file), *(str(path) for _, path in settings.secret_files)]
    say(f"not in it, keep them elsewhere: {', '.join(dict.fromkeys(kept_apart))}")


def read(assembly: Assembly, file: Path, wanted: WantedBackup, *, say: Say) -> None:
    """Restore, and say what that means for what came after the backup."""
    contents = restore(assembly.settings.database_url, file, wanted)
    say(f"restored and sound: {_told(contents)}")
    say(
        "sources go on from there by themselves; bank statements imported and gifts booked by hand since then are not"
        " in it: bring them again. Everybody signs in anew."
    )


def _told(contents: Contents) -> str:
    head = contents.moment.head
    return (
        f"{head.number} reports of {contents.publisher!r} as of {contents.made_at:%Y-%m-%d %H:%M:%S} UTC,"
        f" head {head.number}:{head.hash}, schema {contents.moment.schema}"
    )

"""Troubles that a bank's API has, to be ordered for the next questions."""

import threading
from dataclasses import dataclass
from enum import Enum, auto

SLOW_SECONDS = 5.0


class BankTrouble(Enum):
    """What goes wrong with a question or with its answer."""

    SILENT = auto()  # no answer in time
    CUT_LINE = auto()  # the connection closes before any answer
    CUT_BODY = auto()  # the connection closes within the body
    CUT_JSON = auto()  # a whole HTTP answer whose JSON ends early
    EMPTY = auto()
    BUSY = auto()  # 429 with Retry-After
    BUSY_UNTIL = auto()  # 429 with a date, which is no number of seconds
    BROKEN = auto()  # 500
    BROKEN_PAGE = auto()  # 502 with a page of HTML
    RESTING = auto()  # 503 with Retry-After
    LOGIN_PAGE = auto()  # 200 with a page of HTML
    DENIED = auto()  # 401
    FORBIDDEN = auto()  # 403 with an error
    WALL = auto()  # 403 with a page of HTML
    MOVED = auto()  # 302 to another place
    ERROR = auto()  # 200 with the API's own error
    OTHER_SHAPE = auto()  # JSON of something else
    NOT_JSON_NUMBER = auto()  # NaN
    TOO_DEEP = auto()  # brackets within brackets
    TOO_LARGE = auto()
    CP1251 = auto()  # Windows-1251 under the name of UTF-8
    UTF8 = auto()  # UTF-8 under the name of Windows-1251
    BOM = auto()
    BAD_ROW = auto()  # one row cannot be read
    CLOSING = auto()  # the bank closes its day
    SAME_PAGE = auto()  # the page before once more
    CIRCLE = auto()  # pages that lead in a circle
    NO_NEXT = auto()  # more pages, and no word where
    SLID = auto()  # the last row of the page before comes again
    TEXT_FLAG = auto()  # "true" for true
    SHUFFLED = auto()  # rows in another order
    ONE_LESS = auto()  # the oldest row is left out
    OTHER_ACCOUNT = auto()


@dataclass
class _OrderedForBank:
    trouble: BankTrouble
    times: int
    path: str
    skip: int


class BankFaults:
    """The troubles ordered so far, first come, first served by the questions they fit."""

    def __init__(self) -> None:
        self._ordered: list[_OrderedForBank] = []
        self._lock = threading.Lock()
        self._is_over = threading.Event()

    def order(self, trouble: BankTrouble, *, times: int = 1, path: str = "", skip: int = 0) -> None:
        """Let the next questions whose path holds this text meet the trouble, but for some that come first."""
        with self._lock:
            self._ordered.append(_OrderedForBank(trouble, times, path, skip))

    def clear(self) -> None:
        """Take back what was ordered and not yet met."""
        with self._lock:
            self._ordered.clear()

    def take(self, path: str) -> BankTrouble | None:
        """Return the trouble of this question."""
        with self._lock:
            for one in self._ordered:
                if one.path not in path:
                    continue
                if one.skip:
                    one.skip -= 1
                    continue
                one.times -= 1
                if one.times <= 0:
                    self._ordered.remove(one)
                return one.trouble
        return None

    def wait(self) -> None:
        """Hold an answer back; ends at once when the server stops."""
        self._is_over.wait(SLOW_SECONDS)

    def end(self) -> None:
        """Let every held answer go."""
        self._is_over.set()

"""
A file in a run's folder that holds a record for each strategy, a line each; a newer one takes the older one's place.

What probes saw and what traces hold are kept so; which file and which record, says whoever keeps them.
"""

from pathlib import Path
from typing import Generic, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from bench.results.errors import UserError, unwritable


class _OfStrategy(Protocol):
    @property
    def strategy(self) -> str: ...


_Record = TypeVar("_Record", bound=_OfStrategy)


class RecordStore(Generic[_Record]):
    """
    Such a file.

    :param name: of the file.
    :param record: what its lines are.
    :param remedy: what to do where it is damaged, a sentence.
    """

    def __init__(self, name: str, record: type[_Record], remedy: str) -> None:
        self._name, self._record, self._remedy = name, TypeAdapter(record), remedy

    def store(self, folder: Path, record: _Record) -> None:
        """
        Put a record into the folder's file, which is written whole or not at all.

        :raises UserError: the folder cannot be written.
        """
        kept = self.read(folder) | {record.strategy: record}
        draft = folder / f"{self._name}.draft"
        try:
            draft.write_bytes(b"".join(self._record.dump_json(one) + b"\n" for one in kept.values()))
            draft.replace(folder / self._name)
        except OSError as error:
            raise unwritable(folder, error) from error

    def read(self, folder: Path) -> dict[str, _Record]:
        """
        Return the records by the strategies' names; empty where there is no such file.

        :raises UserError: the file is damaged, or cannot be read.
        """
        path = folder / self._name
        try:
            kept = [self._record.validate_json(line) for line in path.read_bytes().splitlines()]
        except FileNotFoundError:
            return {}
        except ValidationError as error:
            raise UserError(f"{path} is damaged: {fault(error)}. {self._remedy}") from error
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}.") from error
        return {one.strategy: one for one in kept}


def fault(error: ValidationError) -> str:
    """Say where a record is not what it should be, and why."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'the text'}: {first['msg']}"

"""A file in a run's folder with one record per strategy and line. Probe results and traces are stored like this."""

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
    The file.

    :param name: of the file.
    :param record: the type of its records.
    :param remedy: a sentence that tells the user what to do if the file is damaged.
    """

    def __init__(self, name: str, record: type[_Record], remedy: str) -> None:
        self._name, self._record, self._remedy = name, TypeAdapter(record), remedy

    def store(self, folder: Path, record: _Record) -> None:
        """
        Add a record, or replace the one of the same strategy. The file is written atomically.

        :raises UserError: the folder cannot be written.
        """
        records = self.read(folder) | {record.strategy: record}
        draft = folder / f"{self._name}.draft"
        try:
            draft.write_bytes(b"".join(self._record.dump_json(one) + b"\n" for one in records.values()))
            draft.replace(folder / self._name)
        except OSError as error:
            raise unwritable(folder, error) from error

    def read(self, folder: Path) -> dict[str, _Record]:
        """
        Return the records by strategy; empty if there is no such file.

        :raises UserError: the file is damaged, or cannot be read.
        """
        path = folder / self._name
        try:
            records = [self._record.validate_json(line) for line in path.read_bytes().splitlines()]
        except FileNotFoundError:
            return {}
        except ValidationError as error:
            raise UserError(f"{path} is damaged: {fault(error)}. {self._remedy}") from error
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}.") from error
        return {one.strategy: one for one in records}


def fault(error: ValidationError) -> str:
    """Return where a record is invalid, and why."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'the text'}: {first['msg']}"

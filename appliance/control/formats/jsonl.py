"""JSON lines: one object a line with the two columns as members; further members are ignored. RFC 8259."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from appliance.control.formats.lines import Batch, Source, Wrong, blocks, text


def read_jsonl(source: Source, columns: tuple[str, str]) -> Iterator[Batch]:
    """Batches of a file of JSON lines. Never raises: what is no such object is a wrong line."""
    first, second = columns
    row = msgspec.defstruct("Row", [(column, str) for column in columns])
    decode = msgspec.json.Decoder(row).decode
    for block in blocks(source.file):
        batch = Batch(block.done)
        for number, line in enumerate(text(block, batch.wrong), block.first):
            if not line or line.isspace():
                continue
            try:
                found = decode(line.removeprefix("\ufeff") if number == 1 else line)
            except (msgspec.DecodeError, RecursionError) as error:
                batch.wrong.append(Wrong(number, f"not a JSON object with {' and '.join(columns)}: {error}"))
            else:
                batch.rows.append((number, getattr(found, first), getattr(found, second)))
        batch.wrong.sort(key=lambda wrong: wrong.line)
        yield batch

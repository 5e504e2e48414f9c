"""acmecalc adds up a file of numbers. A small program that is licensed with five lines; see README.md.

python acmecalc.py FILE        one number per line; `-` reads what is piped in
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path

from quorate import Client, QuorateError, Status

HERE = Path(__file__).parent


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        client = Client(product=HERE / "acme-calc.product", trust=HERE / "publisher.jwks")  # 1
    except QuorateError as error:  # the two files that ship with the program are missing or damaged
        sys.stderr.write(f"acmecalc is not installed whole: {error.message}\n{error.hint}\n")
        return 1
    client.start()  # 2: renews in the background, should it be due
    print_sums(arguments[0])
    status = client.status()  # 3: offline, microseconds
    if reminder := words_for(status):  # 4
        sys.stderr.write(f"{reminder}\n")  # 5
    return 0


def words_for(status: Status) -> str | None:
    """What the user of the program should know; None when there is nothing.

    What a program does in each status is its publisher's choice. This one always does its work: nobody loses the sum
    of their numbers because a network was down for half a year. It only says, ever more plainly, what is to be done.
    """
    if status.usable and status.status == "licensed":
        return None
    if status.usable:
        return f"acmecalc: {status.message}. {status.hint}"
    return f"acmecalc IS NOT ACTIVATED: {status.message}.\nYour data is safe and yours. What to do: {status.hint}"


def print_sums(name: str) -> None:
    """Count, sum and mean of the numbers in a file, exactly."""
    if name == "-":
        numbers = list(read_numbers(sys.stdin))
    else:
        with Path(name).open(encoding="utf-8") as file:
            numbers = list(read_numbers(file))
    total = sum(numbers, Decimal(0))
    print(f"count {len(numbers)}")
    print(f"sum   {total}")
    if numbers:
        print(f"mean  {total / len(numbers)}")


def read_numbers(lines: Iterable[str]) -> Iterable[Decimal]:
    """The numbers, one per line; other lines are passed over, with a word."""
    for place, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield Decimal(line.strip())
        except InvalidOperation:
            sys.stderr.write(f"line {place} is no number: {line.strip()[:40]!r}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

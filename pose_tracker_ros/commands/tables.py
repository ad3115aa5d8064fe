"""Tables in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

# No table needs more characters a line.
MOST_WIDTH = 1000


def print_table(table: Table) -> None:
    """Print all of a table: rich cuts numbers where lines are too short, terminals only wrap them."""
    console = Console()
    needed = console.measure(table, options=console.options.update(width=MOST_WIDTH)).maximum
    Console(width=max(console.width, needed)).print(table)

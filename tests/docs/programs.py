"""Our programs, and what they say about their options."""

from __future__ import annotations

from maglev.daemon.options import Options
from maglev.maglevc.options import _parser
from maglev.maglevt.options import _parser as _maglevt_parser
from maglev.vppsim.program import SimulatorOptions

HELP = {
    "maglevd.8": lambda: Options().getUsage(width=1000),
    "maglevc.1": lambda: _parser({}).format_help(),
    "maglevt.1": lambda: _maglevt_parser({}).format_help(),
    "maglev-vppsim.1": lambda: SimulatorOptions().getUsage(width=1000),
}

"""``python -m maglev`` is maglevd."""

from maglev.daemon.program import main

main()

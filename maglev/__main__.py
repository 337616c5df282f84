"""``python -m maglev`` is maglevd."""

from maglev.daemon import main

main()

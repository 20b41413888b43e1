# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Makes the modules of tests/lib and tests/golden importable: `import common` comes first in every
test."""
import pathlib
import sys

for folder in ("golden", "lib"):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / folder))

# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A text file as a C string: embed.py FILE NAME."""
import json
import pathlib
import sys

text, name = pathlib.Path(sys.argv[1]).read_text(), sys.argv[2]
print(f"/* Made of {pathlib.Path(sys.argv[1]).name}. */")
print(f"const char {name}[] =")
for line in text.splitlines(keepends=True):
    print("\t" + json.dumps(line))
print(";")

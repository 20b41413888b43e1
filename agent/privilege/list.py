# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Lists of system calls as one C array that ends with NULL: list.py NAME FILE..."""
import pathlib
import sys

name, *files = sys.argv[1:]
calls = [word for file in files for line in pathlib.Path(file).read_text().splitlines()
         for word in line.split("#")[0].split()]
twice = sorted({call for call in calls if calls.count(call) > 1})
if twice:
    sys.exit(f"{' '.join(files)}: twice: {' '.join(twice)}")
print(f"/* Made of {' '.join(pathlib.Path(file).name for file in files)}. */")
print("#include <stddef.h>\n\n#include \"privilege/privilege.h\"\n")
print(f"const char *const {name}[] = {{")
for call in calls:
    print(f"\t\"{call}\",")
print("\tNULL,\n};")

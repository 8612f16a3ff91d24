"""Reads the Config.in of the tree as buildroot's Kconfig would, below the symbols of buildroot that it uses, sets the
symbols that are given, and prints those of the package that are on.

    choose.py FILE [SYMBOL]...
"""
import sys

import kconfiglib

tree = kconfiglib.Kconfig(sys.argv[1], warn_to_stderr=False)
for name in sys.argv[2:]:
    tree.syms[name].set_value("y")
for warning in tree.warnings:
    print(warning)
for symbol in tree.unique_defined_syms:
    if symbol.str_value == "y" and ("KEEPALIVED_RS" in symbol.name or "RUSTC" in symbol.name):
        print(symbol.name)

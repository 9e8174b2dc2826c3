#!/usr/bin/env python3
"""Writes signatures.tsv, the compact table of format signatures, from what the package opf-fido carries of PRONOM.

    pip download --no-deps opf-fido==1.6.1
    unzip opf_fido-1.6.1-py2.py3-none-any.whl
    python3 make.py fido/conf/formats-v109.xml > signatures.tsv

Columns: identifier, name, version, media type, extensions, identifiers it has priority over, signatures. Signatures are
separated by ";", the patterns of one by a space; a pattern begins with B (from the beginning), E (up to the end) or V
(anywhere), and its offset is written as a gap, in PRONOM's own notation.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree


def gap(text):
    """What a regular expression's `.{n,m}` is in PRONOM's notation."""
    found = re.match(r"\.\{(\d+)(,(\d*))?\}\??$", text)
    if text in (".*", ".*?"):
        return "*"
    if not found:
        return ""
    least, several, most = found.groups()
    return "{%s}" % least if several is None else "{%s-%s}" % (least, most or "*")


def pattern(node):
    """A pattern with its offset, and where it is looked for."""
    place, text, regex = (node.findtext(name) or "" for name in ("position", "pronom_pattern", "regex"))
    if place == "BOF":
        offset = re.match(r"\(\?s\)\\A(\.(\{[^}]*\}|\*)\??)", regex)
        if offset and not text.startswith(("{", "*")):
            text = gap(offset.group(1)) + text
        return "B" + text
    if place == "EOF":
        offset = re.search(r"(\.(\{[^}]*\}|\*)\??)\\Z$", regex)
        if offset and not text.endswith(("}", "*")):
            text = text + gap(offset.group(1))
        return "E" + text
    return "V" + text


def main():
    for node in ElementTree.parse(sys.argv[1]).getroot().iter("format"):
        signatures = []
        for signature in node.iter("signature"):
            patterns = [pattern(one).replace(" ", "") for one in signature.iter("pattern")]
            if patterns and all(len(one) > 1 for one in patterns):
                signatures.append(" ".join(patterns))
        row = [
            node.findtext("puid"),
            node.findtext("name") or "",
            node.findtext("version") or "",
            node.findtext("mime") or "",
            ",".join(one.text for one in node.findall("extension") if one.text),
            ",".join(one.text for one in node.findall("has_priority_over") if one.text),
            ";".join(signatures),
        ]
        print("\t".join(" ".join(column.split()) if at in (1, 2) else column for at, column in enumerate(row)))


main()

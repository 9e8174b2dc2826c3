#!/bin/sh
# Checks the samples with tools of others: xmlsec1 for the signed PES, xmllint, pdfinfo and unzip where installed.
set -eu
cd "$(dirname "$0")"
xmlsec1 --verify --trusted-pem ac-essai.pem --verification-time '2025-11-17 10:00:00' \
  --id-attr:Id Bordereau --id-attr:Id 'http://uri.etsi.org/01903/v1.2.2#:SignedProperties' \
  PESALR2_214099996_251117_037.xml
if command -v xmllint >/dev/null; then xmllint --noout PESALR2_214099996_251117_037.xml; fi
if command -v pdfinfo >/dev/null; then pdfinfo deliberation-2025-11-041.pdf >/dev/null; fi
if command -v unzip >/dev/null; then unzip -tq ticket-4127.zip; fi

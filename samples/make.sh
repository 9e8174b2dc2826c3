#!/bin/sh
# Makes the sample documents of this folder again, from invented names only.
#
#   samples/make.sh            needs python3 (standard library), openssl, xmlsec1
#
# Everything is deterministic but the PES signature: its keys are made here, used once and thrown away, so that no private
# key is ever committed. The certificate of the throw-away authority is kept (ac-essai.pem); samples/check.sh verifies the
# signature against it.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A two-level development PKI: an authority, and the mayor's delegate who signs. `openssl ca`, because it alone sets the
# first day of validity on every version of openssl: the signature is dated, its certificate must cover that date.
cat >"$work/ca.cnf" <<CNF
[ca]
default_ca = essai
[essai]
new_certs_dir = $work
database = $work/index.txt
serial = $work/serial
default_md = sha256
policy = any
unique_subject = no
[any]
countryName = optional
organizationName = optional
organizationalUnitName = optional
commonName = supplied
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[signer]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature,nonRepudiation
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CNF
: >"$work/index.txt"
request() { # name subject
  openssl req -new -newkey rsa:2048 -sha256 -nodes -utf8 -keyout "$work/$1.key" -out "$work/$1.csr" -subj "$2" 2>/dev/null
}
issue() { # name serial extensions arguments…
  name=$1; echo "$2" >"$work/serial"; extensions=$3; shift 3
  openssl ca -batch -notext -utf8 -config "$work/ca.cnf" -extensions "$extensions" -preserveDN \
    -startdate 20250101000000Z -enddate 20350101000000Z -in "$work/$name.csr" -out "$work/$name.pem" "$@" 2>/dev/null
}
request ca "/C=FR/O=Archiland (essais)/CN=AC d'essai sans valeur"
request signer "/C=FR/O=Commune de Sainte-Quitterie-les-Pins/OU=0002 21409999600016/CN=Aurelie Castaignos (essai)"
issue ca 01 authority -selfsign -keyfile "$work/ca.key"
issue signer 02 signer -cert "$work/ca.pem" -keyfile "$work/ca.key"
cp "$work/ca.pem" ac-essai.pem

python3 make.py "$work" "$work/signer.pem"
xmlsec1 --sign --output PESALR2_214099996_251117_037.xml --privkey-pem "$work/signer.key,$work/signer.pem" \
  --id-attr:Id Bordereau --id-attr:Id 'http://uri.etsi.org/01903/v1.2.2#:SignedProperties' "$work/pes-template.xml"
./check.sh

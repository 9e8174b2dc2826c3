#!/bin/sh
# Dépose un PES par l'interface s2low HELIOS et suit son état.
#   helios.sh URL CERTIFICAT.pem PES.xml [LOGIN:MOTDEPASSE]
# Le fichier PEM contient le certificat de client et sa clé. CACERT nomme l'autorité du serveur, s'il y a lieu.
set -eu
[ $# -ge 3 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
url=$1 certificate=$2 file=$3 account=${4:-}

ask() {
    curl -sS --fail-with-body --cert "$certificate" ${CACERT:+--cacert "$CACERT"} ${account:+--user "$account"} "$@"
}
field() {
    sed -n "s:.*<$1>\(.*\)</$1>.*:\1:p"
}

[ "$(ask "$url/api/test-connexion.php")" = OK ] || { echo "connexion refusée" >&2; exit 1; }
reply=$(ask -F "enveloppe=@$file;type=application/xml" "$url/modules/helios/api/helios_importer_fichier.php")
number=$(printf '%s\n' "$reply" | field id)
[ -n "$number" ] || { printf '%s\n' "$reply" >&2; exit 1; }
echo "transaction $number"
ask "$url/modules/helios/api/helios_transac_get_status.php?transaction=$number"

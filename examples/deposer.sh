#!/bin/sh
# Dépose un fichier et garde son récépissé à côté, sous le nom FICHIER.recepisse.json.
#   deposer.sh URL FICHIER_DU_JETON FICHIER TYPE INTITULÉ
# La clé d'idempotence vient du contenu : relancé, l'exemple rend le même récépissé et n'archive pas deux fois.
# CACERT nomme l'autorité du serveur, s'il y a lieu. Code de retour : 0 archivé, 1 refusé ou archive absente, 2 mal appelé.
set -eu
[ $# -eq 5 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
url=$1 token=$(cat "$2") file=$3 kind=$4 title=$5

quoted=$(printf '%s' "$title" | sed 's/[\\"]/\\&/g')
key="exemple-$({ cat "$file"; printf '%s' "$kind$title"; } | sha256sum | cut -c1-64)"
reply=$(mktemp)
trap 'rm -f "$reply"' EXIT
# --retry : coupures, 408, 429, 500, 502, 503 et 504 ; Retry-After est respecté.
status=$(curl -sS --retry 6 --retry-connrefused ${CACERT:+--cacert "$CACERT"} -o "$reply" -w '%{http_code}' \
    -H "Authorization: Bearer $token" -H "Idempotency-Key: $key" \
    -F "metadata={\"title\":\"$quoted\",\"type\":\"$kind\"};type=application/json" \
    -F "file=@\"$file\"" "$url/v1/deposits") || exit 1
case $status in
200 | 201) ;;
*)
    echo "refusé ($status) : $(sed -n 's/.*"detail": *"\([^"]*\)".*/\1/p' "$reply")" >&2
    exit 1
    ;;
esac
cp "$reply" "$file.recepisse.json"
sed -n 's/.*"archive": *"\([^"]*\)".*/\1/p' "$reply" | head -n 1

#!/usr/bin/env python3
"""Dépose un fichier et garde son récépissé à côté, sous le nom FICHIER.recepisse.json.

    deposer.py URL FICHIER_DU_JETON FICHIER TYPE INTITULÉ

Bibliothèque standard seule. La clé d'idempotence vient du contenu : relancé, l'exemple rend le même récépissé et n'archive
pas deux fois. Code de retour : 0 archivé, 1 refusé ou archive absente, 2 mal appelé.
"""

import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PASSING = {429, 502, 503, 504}
ATTEMPTS = 6


def deposit(url, token, path, kind, title):
    """Les octets du récépissé."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 18), b""):
            digest.update(chunk)
    digest.update((kind + title).encode())
    headers = {
        "Authorization": "Bearer " + token,
        "Idempotency-Key": "exemple-" + digest.hexdigest(),
        "Content-Type": "application/octet-stream",
        "Content-Length": str(os.path.getsize(path)),
        # Les en-têtes sont en ASCII : le reste est encodé comme dans une adresse.
        "Archiland-Title": urllib.parse.quote(title),
        "Archiland-Type": kind,
        "Archiland-Name": urllib.parse.quote(os.path.basename(path)),
    }
    wait = 0.5
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with open(path, "rb") as file:
                request = urllib.request.Request(url + "/v1/deposits", data=file, headers=headers, method="POST")
                with urllib.request.urlopen(request, timeout=120) as answer:
                    return answer.read()
        except urllib.error.HTTPError as error:
            if error.code not in PASSING or attempt == ATTEMPTS:
                raise
            wait = float(error.headers.get("Retry-After", wait))
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            if attempt == ATTEMPTS:
                raise
        time.sleep(min(wait, 30))
        wait *= 2
    raise AssertionError("jamais atteint")


def main(arguments):
    if len(arguments) != 5:
        print(__doc__, file=sys.stderr)
        return 2
    url, token_file, path, kind, title = arguments
    with open(token_file, encoding="ascii") as file:
        token = file.read().strip()
    try:
        receipt = deposit(url.rstrip("/"), token, path, kind, title)
    except urllib.error.HTTPError as error:
        text = error.read()
        try:
            text = json.loads(text).get("detail", "")
        except ValueError:
            pass
        print(f"refusé ({error.code}) : {text}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{url} ne répond pas : {error}", file=sys.stderr)
        return 1
    with open(path + ".recepisse.json", "wb") as file:
        file.write(receipt)
    print(json.loads(receipt)["archive"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

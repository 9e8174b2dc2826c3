<?php
/*
 * Dépose un fichier et garde son récépissé à côté, sous le nom FICHIER.recepisse.json.
 *
 *     php deposer.php URL FICHIER_DU_JETON FICHIER TYPE INTITULÉ
 *
 * Sans extension : les flux HTTP de PHP suffisent (allow_url_fopen). La clé d'idempotence vient du contenu : relancé,
 * l'exemple rend le même récépissé et n'archive pas deux fois.
 * Code de retour : 0 archivé, 1 refusé ou archive absente, 2 mal appelé.
 */

const ESSAIS = 6;
const PASSAGERS = [429, 502, 503, 504];

/** Le code HTTP (0 : pas de réponse), les en-têtes en minuscules et le corps. */
function deposer(string $url, string $jeton, string $chemin, string $type, string $intitule): array
{
    $corps = file_get_contents($chemin);
    if ($corps === false) {
        return [0, [], "$chemin illisible"];
    }
    $contexte = stream_context_create(['http' => [
        'method' => 'POST',
        'ignore_errors' => true,
        'timeout' => 120,
        'content' => $corps,
        'header' => [
            'Authorization: Bearer ' . $jeton,
            'Idempotency-Key: exemple-' . hash('sha256', $corps . $type . $intitule),
            'Content-Type: application/octet-stream',
            // Les en-têtes sont en ASCII : le reste est encodé comme dans une adresse.
            'Archiland-Title: ' . rawurlencode($intitule),
            'Archiland-Type: ' . $type,
            'Archiland-Name: ' . rawurlencode(basename($chemin)),
        ],
    ]]);
    $attente = 0.5;
    for ($essai = 1; ; $essai++) {
        $http_response_header = [];
        $reponse = @file_get_contents($url . '/v1/deposits', false, $contexte);
        $code = 0;
        $entetes = [];
        foreach ($http_response_header as $ligne) {
            if (preg_match('#^HTTP/\S+ (\d{3})#', $ligne, $trouve)) {
                $code = (int) $trouve[1];
            } elseif (strpos($ligne, ':') !== false) {
                [$nom, $valeur] = explode(':', $ligne, 2);
                $entetes[strtolower($nom)] = trim($valeur);
            }
        }
        if (($code !== 0 && !in_array($code, PASSAGERS, true)) || $essai === ESSAIS) {
            return [$code, $entetes, (string) $reponse];
        }
        $pause = isset($entetes['retry-after']) ? (float) $entetes['retry-after'] : $attente;
        usleep((int) (min($pause, 30) * 1e6));
        $attente *= 2;
    }
}

if ($argc !== 6) {
    fwrite(STDERR, "php deposer.php URL FICHIER_DU_JETON FICHIER TYPE INTITULÉ\n");
    exit(2);
}
[, $url, $fichierJeton, $chemin, $type, $intitule] = $argv;
$jeton = trim((string) file_get_contents($fichierJeton));
[$code, , $reponse] = deposer(rtrim($url, '/'), $jeton, $chemin, $type, $intitule);
$lu = json_decode($reponse, true);
if ($code !== 200 && $code !== 201) {
    fwrite(STDERR, $code === 0 ? "$url ne répond pas\n" : "refusé ($code) : " . ($lu['detail'] ?? '') . "\n");
    exit(1);
}
file_put_contents($chemin . '.recepisse.json', $reponse);
echo $lu['archive'], "\n";

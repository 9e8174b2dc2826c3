// opennote reads a signed note on standard input and opens it with verifier keys given as arguments, the way Go programs
// do: golang.org/x/mod for the log's Ed25519 keys, filippo.io/torchwood for cosignatures. It prints one line per signature
// that holds (name, then the time of a cosignature), and fails when any of the keys given has not signed.
package main

import (
	"fmt"
	"io"
	"log"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	log.SetFlags(0)
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	var verifiers []note.Verifier
	for _, vkey := range os.Args[1:] {
		if cosigner, err := torchwood.NewCosignatureVerifier(vkey); err == nil {
			verifiers = append(verifiers, cosigner)
			continue
		}
		signer, err := note.NewVerifier(vkey)
		if err != nil {
			log.Fatalf("%s: %v", vkey, err)
		}
		verifiers = append(verifiers, signer)
	}
	opened, err := note.Open(text, note.VerifierList(verifiers...))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := torchwood.ParseCheckpoint(opened.Text); err != nil {
		log.Fatal(err)
	}
	if len(opened.Sigs) != len(verifiers) {
		log.Fatalf("%d signatures of %d keys", len(opened.Sigs), len(verifiers))
	}
	for _, signature := range opened.Sigs {
		if at, err := torchwood.CosignatureTimestamp(signature); err == nil {
			fmt.Println(signature.Name, at)
		} else {
			fmt.Println(signature.Name)
		}
	}
}

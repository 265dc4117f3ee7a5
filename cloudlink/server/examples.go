package server

// examples are bodies of requests for the document, by operation.
var examples = map[string]string{
	"create-account":  `{"name": "anna@sonnenschein.example", "password": "Drei.Loewen7am!Fenster"}`,
	"check-password":  `{"password": "Drei.Loewen7am!Fenster", "name": "anna@sonnenschein.example"}`,
	"change-password": `{"present": "Drei.Loewen7am!Fenster", "next": "Vier.Birnen8im!Korb"}`,
	"sign-in":         `{"name": "anna@sonnenschein.example", "password": "Drei.Loewen7am!Fenster", "label": "Kasse 2"}`,
	"create-key":      `{"name": "DATEV", "rights": ["read", "archive"]}`,
	"create-code":     `{"till_name": "Kasse 3"}`,
	"prepare-coupling": `{"code": "7K3M-9QXA", "shop": "aaaqeayeaudaocajbifqydiob4",
 "till": "aaaqeayeaudaocajbifqydiob4aaaqeayeaudaocajbifqydiobq", "till_name": "Kasse 3"}`,
	"couple-till": `{"code": "7K3M-9QXA", "confirmed": true, "shop": "aaaqeayeaudaocajbifqydiob4", "shop_name": "Café Sonnenschein",
 "till": "aaaqeayeaudaocajbifqydiob4aaaqeayeaudaocajbifqydiobq", "till_name": "Kasse 3", "host": "cloud.example",
 "nonce": "0000000000000000000000000000000000000000000000000000000000000000",
 "signature": "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
 "roster": [{"type": "admission", "id": "aaaqeayeaudaocajbifqydiob4", "raw": "gaFu"}]}`,
	"revoke-device": `{"why": "gestohlen"}`,
	"put-article": `{"names": {"de": "Espresso"}, "plu": "12", "barcodes": ["4001234567890"],
 "prices": [{"from": "2026-01-01", "price": 340, "currency": "EUR", "tax": "mxw3ydbzzkxdm5sjlbhrtzhxmu"}]}`,
	"start-export": `{"from": "2026-01-01", "to": "2026-12-31"}`,
	"release-hold": `{"why": "Prüfung beendet"}`,
	"set-hold":     `{"from": "2026-01-01", "to": "2026-12-31", "reason": "Betriebsprüfung 2031"}`,
}
